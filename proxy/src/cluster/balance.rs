//! Choosing one endpoint of many.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use envoy_api::LbPolicy;
use rand::RngExt as _;

use super::Endpoint;

/// A load balancing policy and where it is.
#[derive(Debug)]
pub(super) struct Balancer {
    policy: LbPolicy,
    next: AtomicUsize,
}

impl Balancer {
    pub(super) fn new(policy: LbPolicy) -> Self {
        Self { policy, next: AtomicUsize::new(0) }
    }

    /// The endpoint for the next connection or request; `None` if there is none at all.
    pub(super) fn choose<'a>(&self, endpoints: &'a [Arc<Endpoint>]) -> Option<&'a Arc<Endpoint>> {
        let any = || &endpoints[rand::rng().random_range(0..endpoints.len())];
        match (endpoints, self.policy) {
            ([], _) => None,
            ([only], _) => Some(only),
            (_, LbPolicy::LeastRequest) => {
                let (a, b) = (any(), any());
                Some(if a.active() <= b.active() { a } else { b })
            }
            (_, LbPolicy::Random) => Some(any()),
            (_, LbPolicy::RoundRobin | LbPolicy::ClusterProvided) => {
                endpoints.get(self.next.fetch_add(1, Ordering::Relaxed) % endpoints.len())
            }
        }
    }
}
