//! Which endpoint a hash leads to (`source/extensions/load_balancing_policies/{ring_hash,maglev}`).

use envoy_api::{Cluster, LbPolicy};
use twox_hash::XxHash64;

use crate::hash::hash_of;

#[cfg(test)]
mod tests;

/// The number of places on a ring at least, if nothing says so, and at most.
const RING_SIZE: u64 = 1024;
const MAX_RING_SIZE: u64 = 8 << 20;
/// The number of places in a table, if nothing says so.
const TABLE_SIZE: u64 = 65537;

/// What leads from hashes to endpoints, which it names by their indices.
#[derive(Clone, Debug)]
pub enum HashTable {
    /// Points, sorted, each the end of the part that leads to its endpoint.
    Ring(Vec<(u64, u32)>),
    /// Endpoints, by the remainder of the hash.
    Maglev(Vec<u32>),
}

impl HashTable {
    /// That of a cluster for endpoints with these addresses (`ADDRESS:PORT`) and weights; none if the cluster does not choose by a hash,
    /// or has no endpoint.
    pub fn new(cluster: &Cluster, endpoints: &[(String, u32)]) -> Option<Self> {
        if endpoints.is_empty() {
            return None;
        }
        match cluster.lb_policy {
            LbPolicy::RingHash => {
                let configured = cluster.ring_hash_lb_config.and_then(|config| config.minimum_ring_size);
                Some(Self::ring(configured.unwrap_or(RING_SIZE), endpoints))
            }
            LbPolicy::Maglev => {
                let configured = cluster.maglev_lb_config.and_then(|config| config.table_size);
                Some(Self::maglev(configured.unwrap_or(TABLE_SIZE), endpoints))
            }
            LbPolicy::RoundRobin | LbPolicy::LeastRequest | LbPolicy::Random | LbPolicy::ClusterProvided => None,
        }
    }

    /// The index of the endpoint that a hash leads to. `attempt` counts the choices that were not accepted.
    pub fn choose(&self, hash: u64, attempt: u32) -> usize {
        let chosen = match self {
            Self::Ring(points) => {
                let first = points.partition_point(|(point, _)| *point < hash) % points.len();
                points[(first + attempt as usize) % points.len()].1
            }
            Self::Maglev(table) => {
                let hash = if attempt > 0 { hash ^ (!u64::from(attempt)).wrapping_add(1) } else { hash };
                table[index(hash % table.len() as u64)]
            }
        };
        chosen as usize
    }

    /// Each endpoint has places in proportion to its weight, the lightest a whole number (`RingHashLoadBalancer::Ring`).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as Envoy"
    )]
    fn ring(minimum: u64, endpoints: &[(String, u32)]) -> Self {
        let weights = normalized(endpoints);
        let lightest = weights.iter().copied().fold(1.0, f64::min);
        let scale = ((lightest * minimum as f64).ceil() / lightest).min(MAX_RING_SIZE as f64);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let (mut current, mut target) = (0.0, 0.0);
        for (endpoint, ((address, _), weight)) in endpoints.iter().zip(weights).enumerate() {
            target += scale * weight;
            let mut place = 0_u64;
            while current < target {
                points.push((hash_of(format!("{address}_{place}").as_bytes()), endpoint as u32));
                place += 1;
                current += 1.0;
            }
        }
        points.sort_by_key(|(point, _)| *point);
        Self::Ring(points)
    }

    /// Endpoints take free places in turns, each in its own order (`OriginalMaglevTable`).
    #[expect(clippy::cast_possible_truncation, reason = "indices are small")]
    fn maglev(size: u64, endpoints: &[(String, u32)]) -> Self {
        struct Entry {
            endpoint: u32,
            next: u64,
            skip: u64,
            weight: f64,
            target: f64,
        }
        let weights = normalized(endpoints);
        let heaviest = weights.iter().copied().fold(0.0, f64::max);
        let mut by_address: Vec<usize> = (0..endpoints.len()).collect();
        by_address.sort_by(|a, b| endpoints[*a].0.cmp(&endpoints[*b].0));
        let entry = |&i: &usize| {
            let address = endpoints[i].0.as_bytes();
            Entry {
                endpoint: i as u32,
                next: hash_of(address) % size,
                skip: XxHash64::oneshot(1, address) % (size - 1).max(1) + 1,
                weight: weights[i],
                target: 0.0,
            }
        };
        let mut entries: Vec<Entry> = by_address.iter().map(entry).collect();
        let mut table: Vec<Option<u32>> = vec![None; index(size)];
        let mut free = table.len();
        for round in 1_u32.. {
            for entry in &mut entries {
                if free == 0 {
                    return Self::Maglev(table.into_iter().flatten().collect());
                }
                if f64::from(round) * entry.weight < entry.target {
                    continue;
                }
                entry.target += heaviest;
                while table[index(entry.next)].is_some() {
                    entry.next = (entry.next + entry.skip) % size;
                }
                table[index(entry.next)] = Some(entry.endpoint);
                entry.next = (entry.next + entry.skip) % size;
                free -= 1;
            }
        }
        unreachable!("the table is full before the rounds are counted")
    }
}

/// Weights whose sum is 1.
#[expect(clippy::cast_precision_loss, reason = "as Envoy")]
fn normalized(endpoints: &[(String, u32)]) -> Vec<f64> {
    let sum: u64 = endpoints.iter().map(|(_, weight)| u64::from(*weight)).sum();
    endpoints.iter().map(|(_, weight)| f64::from(*weight) / sum as f64).collect()
}

/// A place in a table, which is smaller than `usize` counts.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
