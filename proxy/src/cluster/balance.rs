//! Load balancing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use envoy_api::{LbPolicy, SlowStartConfig, SlowStartLbConfig};
use rand::RngExt as _;

use super::{Endpoint, eligible::Eligible};

#[cfg(test)]
mod tests;

/// A load balancing policy with its state.
#[derive(Debug)]
pub(super) struct Balancer {
    policy: LbPolicy,
    next: AtomicUsize,
    slow_start: Option<SlowStart>,
}

/// How new endpoints get their share (`EdfLoadBalancerBase::applySlowStartFactor`).
#[derive(Debug)]
struct SlowStart {
    window: Duration,
    aggression: f64,
    /// The share at the beginning, of 1.
    minimum: f64,
}

impl Balancer {
    pub(super) fn new(config: &envoy_api::Cluster) -> Self {
        let of_policy = match config.lb_policy {
            LbPolicy::RoundRobin => config.round_robin_lb_config.as_ref(),
            LbPolicy::LeastRequest => config.least_request_lb_config.as_ref(),
            LbPolicy::Random | LbPolicy::RingHash | LbPolicy::Maglev | LbPolicy::ClusterProvided => None,
        };
        Self { policy: config.lb_policy, next: AtomicUsize::new(0), slow_start: of_policy.and_then(SlowStart::new) }
    }

    /// The endpoint for the next connection or request; `None` if there are none. `attempt` counts the choices that were not accepted.
    pub(super) fn choose<'a>(
        &self,
        eligible: &'a Eligible,
        hash: Option<u64>,
        attempt: u32,
    ) -> Option<&'a Arc<Endpoint>> {
        let endpoints = &eligible.endpoints[..];
        let any = || &endpoints[rand::rng().random_range(0..endpoints.len())];
        match (endpoints, self.policy) {
            ([], _) => None,
            ([only], _) => Some(only),
            (_, LbPolicy::LeastRequest) => {
                let (a, b) = (any(), any());
                let load = |endpoint: &Endpoint| f64::from(endpoint.active() + 1) / self.weight(endpoint);
                Some(if load(a) <= load(b) { a } else { b })
            }
            (_, LbPolicy::RingHash | LbPolicy::Maglev) => {
                // Without anything to hash, any will do.
                let hash = hash.unwrap_or_else(|| rand::rng().random());
                endpoints.get(eligible.table.as_ref()?.choose(hash, attempt))
            }
            (_, LbPolicy::Random) => self.by_weight(endpoints, rand::rng().random()),
            (_, LbPolicy::RoundRobin | LbPolicy::ClusterProvided) => {
                let turn = self.next.fetch_add(1, Ordering::Relaxed);
                let equal = self.slow_start.is_none()
                    && endpoints.iter().all(|endpoint| endpoint.weight == endpoints[0].weight);
                if equal { endpoints.get(turn % endpoints.len()) } else { self.by_weight(endpoints, spread(turn)) }
            }
        }
    }

    /// The endpoint at a point of the interval that the weights divide proportionally.
    fn by_weight<'a>(&self, endpoints: &'a [Arc<Endpoint>], point: f64) -> Option<&'a Arc<Endpoint>> {
        let total: f64 = endpoints.iter().map(|endpoint| self.weight(endpoint)).sum();
        let mut rest = point * total;
        endpoints.iter().find(|endpoint| {
            rest -= self.weight(endpoint);
            rest < 0.0
        })
    }

    fn weight(&self, endpoint: &Endpoint) -> f64 {
        let factor = self.slow_start.as_ref().map_or(1.0, |slow| slow.factor(endpoint.since.elapsed()));
        f64::from(endpoint.weight) * factor
    }
}

impl SlowStart {
    fn new(config: &SlowStartLbConfig) -> Option<Self> {
        let SlowStartConfig { slow_start_window, aggression, min_weight_percent } =
            config.slow_start_config.as_ref()?;
        Some(Self {
            window: slow_start_window.map(|window| window.0).filter(|window| !window.is_zero())?,
            aggression: aggression.as_ref().map_or(1.0, |aggression| aggression.default_value),
            minimum: min_weight_percent.map_or(0.1, |percent| percent.value / 100.0),
        })
    }

    /// The share of an endpoint of this age, of 1.
    fn factor(&self, age: Duration) -> f64 {
        if age >= self.window {
            return 1.0;
        }
        let grown = age.max(Duration::from_millis(1)).as_secs_f64() / self.window.as_secs_f64();
        grown.powf(1.0 / self.aggression).max(self.minimum)
    }
}

/// A low-discrepancy sequence of points in 0..1 (multiples of the golden ratio), so that turns of an endpoint are spread
/// evenly.
fn spread(turn: usize) -> f64 {
    const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
    (turn as f64 * GOLDEN_RATIO).fract()
}
