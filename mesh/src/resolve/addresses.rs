//! Addresses for pods, services and hosts outside the cluster, assigned in order of names.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use crate::model::{ObjectName, PodIps, Resolved};

#[cfg(test)]
mod tests;

/// The addresses of a mesh that runs: its pods and services keep them while its manifests change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// By `POD.NAMESPACE`.
    pods: BTreeMap<String, PodIps>,
    /// Virtual addresses, by `SERVICE.NAMESPACE`.
    services: BTreeMap<String, Vec<IpAddr>>,
}

impl Addresses {
    /// The addresses of a resolved mesh.
    pub fn of(mesh: &Resolved) -> Self {
        Self {
            pods: mesh.pods.iter().map(|pod| (pod.name.to_string(), pod.ips)).collect(),
            services: mesh.services.iter().map(|service| (service.name.to_string(), service.vips.clone())).collect(),
        }
    }

    /// The addresses of a host outside the cluster, other than the one by which it is known.
    pub(super) fn of_host_outside(&self, name: &ObjectName) -> Option<PodIps> {
        self.pods.get(&name.to_string()).copied()
    }

    /// Whether a pod has one of these addresses.
    pub(super) fn is_pods(&self, ips: PodIps) -> bool {
        self.pods.values().any(|taken| taken.v4 == ips.v4 || taken.v6 == ips.v6)
    }

    /// The virtual addresses of a service.
    pub(super) fn of_service(&self, name: &ObjectName) -> &[IpAddr] {
        self.services.get(&name.to_string()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The virtual addresses of all services.
    pub(super) fn of_services(&self) -> impl Iterator<Item = IpAddr> {
        self.services.values().flatten().copied()
    }
}

/// The first pod's number in its range; `.1` is the node's.
const FIRST_POD: u16 = 2;
/// The first service's number in its range, as far from the start as Kubernetes keeps for the cluster's own services
/// ([`crate::model::CLUSTER_DNS`] is one).
const FIRST_SERVICE: u16 = 10;

/// Where a pod's addresses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// 10.244.0.0/16 and fd00:244::/64.
    Cluster,
    /// Hosts outside the cluster have the ranges for documentation: 203.0.113.0/24 (RFC 5737) and 2001:db8::/32 (RFC 3849).
    Outside,
}

impl Range {
    /// Its IPv4 part.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cluster => "10.244.0.0/16",
            Self::Outside => "203.0.113.0/24",
        }
    }

    /// Its addresses of a number; `None` beyond its end.
    fn at(self, number: u16) -> Option<PodIps> {
        let [high, low] = number.to_be_bytes();
        match self {
            Self::Cluster => {
                let v6 = Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, number);
                Some(PodIps { v4: Ipv4Addr::new(10, 244, high, low), v6 })
            }
            Self::Outside => (number < 255).then(|| PodIps {
                v4: Ipv4Addr::new(203, 0, 113, low),
                v6: Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, number),
            }),
        }
    }

    fn has(self, ips: PodIps) -> bool {
        let [a, b, c, _] = ips.v4.octets();
        match self {
            Self::Cluster => [a, b] == [10, 244],
            Self::Outside => [a, b, c] == [203, 0, 113],
        }
    }
}

/// Assigns addresses to pods, in the order in which they ask.
pub(super) struct Pods<'k> {
    kept: &'k Addresses,
    taken: BTreeSet<Ipv4Addr>,
    /// The next number of each range.
    next: [u16; 2],
}

impl<'k> Pods<'k> {
    /// Pods that have addresses keep them, and no other pod gets these.
    pub(super) fn new(kept: &'k Addresses) -> Self {
        Self { kept, taken: kept.pods.values().map(|ips| ips.v4).collect(), next: [FIRST_POD, 1] }
    }

    /// The addresses of a pod. `None` if the range is used up.
    pub(super) fn assign(&mut self, name: &ObjectName, range: Range) -> Option<PodIps> {
        if let Some(own) = self.kept.pods.get(&name.to_string()).filter(|ips| range.has(**ips)) {
            return Some(*own);
        }
        let next = &mut self.next[usize::from(range == Range::Outside)];
        loop {
            let ips = range.at(*next)?;
            *next = next.checked_add(1)?;
            if !self.taken.contains(&ips.v4) {
                return Some(ips);
            }
        }
    }
}

/// The free virtual addresses, in 10.96.0.0/16 and fd00:96::/112.
pub(super) struct Services {
    taken: BTreeSet<IpAddr>,
    next: u16,
}

impl Services {
    /// All except those that manifests request.
    pub(super) fn new(taken: BTreeSet<IpAddr>) -> Self {
        Self { taken, next: FIRST_SERVICE }
    }

    /// The next pair that is free in both families. `None` if the range is used up.
    pub(super) fn next(&mut self) -> Option<(IpAddr, IpAddr)> {
        loop {
            let [high, low] = self.next.to_be_bytes();
            let v4 = IpAddr::from(Ipv4Addr::new(10, 96, high, low));
            let v6 = IpAddr::from(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, self.next));
            self.next = self.next.checked_add(1)?;
            if !self.taken.contains(&v4) && !self.taken.contains(&v6) {
                return Some((v4, v6));
            }
        }
    }
}

/// Whether a service can request this address: it is in the range of services.
pub(crate) fn is_service_address(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.octets()[..2] == [10, 96],
        IpAddr::V6(v6) => v6.segments()[..7] == [0xfd00, 0x96, 0, 0, 0, 0, 0],
    }
}
