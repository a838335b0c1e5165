//! Load balancing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use envoy_api::LbPolicy;
use rand::RngExt as _;

use super::Endpoint;

#[cfg(test)]
mod tests;

/// A load balancing policy with its state.
#[derive(Debug)]
pub(super) struct Balancer {
    policy: LbPolicy,
    next: AtomicUsize,
}

impl Balancer {
    pub(super) fn new(policy: LbPolicy) -> Self {
        Self { policy, next: AtomicUsize::new(0) }
    }

    /// The endpoint for the next connection or request; `None` if there are none.
    pub(super) fn choose<'a>(&self, endpoints: &'a [Arc<Endpoint>]) -> Option<&'a Arc<Endpoint>> {
        let any = || &endpoints[rand::rng().random_range(0..endpoints.len())];
        match (endpoints, self.policy) {
            ([], _) => None,
            ([only], _) => Some(only),
            (_, LbPolicy::LeastRequest) => {
                let (a, b) = (any(), any());
                let load = |endpoint: &Endpoint| f64::from(endpoint.active() + 1) / f64::from(endpoint.weight);
                Some(if load(a) <= load(b) { a } else { b })
            }
            (_, LbPolicy::Random | LbPolicy::RingHash | LbPolicy::Maglev) => by_weight(endpoints, rand::rng().random()),
            (_, LbPolicy::RoundRobin | LbPolicy::ClusterProvided) => {
                let turn = self.next.fetch_add(1, Ordering::Relaxed);
                let equal = endpoints.iter().all(|endpoint| endpoint.weight == endpoints[0].weight);
                if equal { endpoints.get(turn % endpoints.len()) } else { by_weight(endpoints, spread(turn)) }
            }
        }
    }
}

/// The endpoint at a point of the interval that the weights divide proportionally.
fn by_weight(endpoints: &[Arc<Endpoint>], point: f64) -> Option<&Arc<Endpoint>> {
    let total: f64 = endpoints.iter().map(|endpoint| f64::from(endpoint.weight)).sum();
    let mut rest = point * total;
    endpoints.iter().find(|endpoint| {
        rest -= f64::from(endpoint.weight);
        rest < 0.0
    })
}

/// A low-discrepancy sequence of points in 0..1 (multiples of the golden ratio), so that turns of an endpoint are spread
/// evenly.
fn spread(turn: usize) -> f64 {
    const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
    (turn as f64 * GOLDEN_RATIO).fract()
}
