//! When an endpoint that fails is ejected, for how long, and when all are used nevertheless
//! (`source/common/upstream/outlier_detection_impl.cc`, `LoadBalancerBase::isHostSetInPanic` in
//! `source/extensions/load_balancing_policies/common/load_balancer_impl.cc`).
//!
//! Times are durations since the detection began.

use std::time::Duration;

use envoy_api::{Cluster, OutlierDetection};

#[cfg(test)]
mod tests;

/// Envoy's default of the number of errors in a row.
const CONSECUTIVE: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(10);
const BASE_EJECTION: Duration = Duration::from_secs(30);
const MAX_EJECTION: Duration = Duration::from_secs(300);
const MAX_PERCENT: u32 = 10;
const PANIC_PERCENT: f64 = 50.0;

/// What is known of an endpoint after a request or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A response with this status; for gRPC the HTTP status of the call's.
    Response(u16),
    /// A session of TCP was opened.
    Connected,
    /// It could not be connected to, or reset the request.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

/// Why an endpoint is ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Consecutive responses of the 500s.
    Consecutive5xx,
    /// Consecutive responses 502, 503 and 504.
    GatewayFailure,
    /// Consecutive failures to connect.
    LocalOriginFailure,
}

impl Cause {
    /// Its name in statistics, behind `ejections_enforced_`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::GatewayFailure => "consecutive_gateway_failure",
            Self::LocalOriginFailure => "consecutive_local_origin_failure",
        }
    }
}

/// The detection of a cluster.
#[derive(Clone, Debug)]
pub struct Detection {
    /// How many in a row eject; none never do.
    consecutive_5xx: Option<u32>,
    gateway_failure: Option<u32>,
    local_origin_failure: Option<u32>,
    splits: bool,
    interval: Duration,
    base_ejection: Duration,
    max_percent: u32,
}

/// What is known of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monitor {
    consecutive_5xx: u32,
    gateway_failure: u32,
    local_origin_failure: u32,
    /// When it was ejected, if it is.
    ejected: Option<Duration>,
    /// When it came back.
    returned: Option<Duration>,
    /// How many times the base time an ejection lasts.
    backoff: u32,
}

impl Detection {
    /// That of a cluster, if it has one.
    ///
    /// # Errors
    /// The field that is not supported: detection by success rates, or of which only a part is enforced.
    pub fn new(cluster: &Cluster) -> Result<Option<Self>, &'static str> {
        let Some(config) = &cluster.outlier_detection else { return Ok(None) };
        let OutlierDetection { split_external_local_origin_errors: splits, .. } = *config;
        let after = |count: Option<u32>, enforced: Option<u32>, by_default: u32, field: &'static str| match enforced
            .unwrap_or(by_default)
        {
            0 => Ok(None),
            100 => Ok(Some(count.unwrap_or(CONSECUTIVE))),
            _ => Err(field),
        };
        // Of fewer than five hosts there is no success rate, but nobody says how many there will be.
        for (enforced, applies, field) in [
            (config.enforcing_success_rate, true, "outlier_detection.enforcing_success_rate"),
            (
                config.enforcing_local_origin_success_rate,
                splits,
                "outlier_detection.enforcing_local_origin_success_rate",
            ),
        ] {
            if applies && enforced != Some(0) {
                return Err(field);
            }
        }
        Ok(Some(Self {
            consecutive_5xx: after(
                config.consecutive_5xx,
                config.enforcing_consecutive_5xx,
                100,
                "outlier_detection.enforcing_consecutive_5xx",
            )?,
            gateway_failure: after(
                config.consecutive_gateway_failure,
                config.enforcing_consecutive_gateway_failure,
                0,
                "outlier_detection.enforcing_consecutive_gateway_failure",
            )?,
            local_origin_failure: after(
                config.consecutive_local_origin_failure,
                config.enforcing_consecutive_local_origin_failure,
                100,
                "outlier_detection.enforcing_consecutive_local_origin_failure",
            )?
            .filter(|_| splits),
            splits,
            interval: config.interval.map_or(INTERVAL, |interval| interval.0),
            base_ejection: config.base_ejection_time.map_or(BASE_EJECTION, |time| time.0),
            max_percent: config.max_ejection_percent.unwrap_or(MAX_PERCENT).min(100),
        }))
    }

    /// Notes a sign. Returns why the endpoint is to be ejected, if it is: as far as others allow it.
    pub fn observe(&self, monitor: &mut Monitor, sign: Sign) -> Option<Cause> {
        let status = match (sign, self.splits) {
            (Sign::Failed | Sign::TimedOut, true) => {
                let reached = counts(&mut monitor.local_origin_failure, self.local_origin_failure);
                return reached.then_some(Cause::LocalOriginFailure).filter(|_| monitor.ejected.is_none());
            }
            (Sign::Failed, false) => 503,
            (Sign::TimedOut, false) => 504,
            (Sign::Connected, true) => {
                monitor.local_origin_failure = 0;
                return None;
            }
            (Sign::Connected, false) => 200,
            (Sign::Response(status), _) => {
                monitor.local_origin_failure = 0;
                status
            }
        };
        if !(500..=599).contains(&status) {
            (monitor.consecutive_5xx, monitor.gateway_failure) = (0, 0);
            return None;
        }
        let is_gateway = matches!(status, 502..=504);
        if !is_gateway {
            monitor.gateway_failure = 0;
        }
        let gateway = is_gateway && counts(&mut monitor.gateway_failure, self.gateway_failure);
        let any = counts(&mut monitor.consecutive_5xx, self.consecutive_5xx);
        let cause = match (gateway, any) {
            (true, _) => Some(Cause::GatewayFailure),
            (false, true) => Some(Cause::Consecutive5xx),
            (false, false) => None,
        };
        cause.filter(|_| monitor.ejected.is_none())
    }

    /// Whether another endpoint of a cluster may be ejected.
    #[expect(clippy::cast_precision_loss, reason = "as Envoy")]
    pub fn may_eject(&self, ejected: usize, endpoints: usize) -> bool {
        100.0 * (ejected + 1) as f64 / endpoints.max(1) as f64 <= f64::from(self.max_percent)
    }

    /// Ejects an endpoint. Each time in a row lasts longer.
    pub fn eject(&self, monitor: &mut Monitor, now: Duration) {
        // What it was healthy for makes the next ejection shorter.
        let healthy = monitor.returned.map_or(0, |since| self.ticks(now) - self.ticks(since));
        monitor.backoff = monitor.backoff.saturating_sub(u32::try_from(healthy).unwrap_or(u32::MAX));
        monitor.ejected = Some(now);
        if self.base_ejection * monitor.backoff < MAX_EJECTION.max(self.base_ejection) + self.base_ejection {
            monitor.backoff += 1;
        }
    }

    /// When an endpoint comes back, if it is ejected: at the first look behind the end of its ejection.
    pub fn returns_at(&self, monitor: &Monitor) -> Option<Duration> {
        let longest = MAX_EJECTION.max(self.base_ejection);
        let end = monitor.ejected? + (self.base_ejection * monitor.backoff).min(longest);
        let interval = self.interval.max(Duration::from_millis(1));
        let looks = end.as_nanos().div_ceil(interval.as_nanos());
        Some(interval * u32::try_from(looks).unwrap_or(u32::MAX))
    }

    /// Takes an endpoint back.
    pub fn take_back(&self, monitor: &mut Monitor, now: Duration) {
        let backoff = monitor.backoff;
        *monitor = Monitor { backoff, returned: Some(now), ..Monitor::default() };
    }

    fn ticks(&self, at: Duration) -> u128 {
        at.as_nanos() / self.interval.as_nanos().max(1)
    }
}

impl Monitor {
    /// Whether the endpoint is ejected.
    pub fn is_ejected(&self) -> bool {
        self.ejected.is_some()
    }
}

/// Counts an error, and begins anew where it is one too many.
fn counts(count: &mut u32, limit: Option<u32>) -> bool {
    *count += 1;
    let reached = limit == Some(*count);
    if reached {
        *count = 0;
    }
    reached
}

/// Whether all endpoints are used, because too few are left.
#[expect(clippy::cast_precision_loss, reason = "as Envoy")]
pub fn is_in_panic(cluster: &Cluster, healthy: usize, endpoints: usize) -> bool {
    let configured = cluster.common_lb_config.as_ref().and_then(|config| config.healthy_panic_threshold);
    // Envoy reads it as a whole number.
    let threshold = configured.map_or(PANIC_PERCENT, |percent| percent.value.trunc()).min(100.0);
    endpoints > 0 && 100.0 * (healthy as f64) / (endpoints as f64) < threshold
}
