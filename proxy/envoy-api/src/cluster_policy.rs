//! Limits, ejection and balancing of a cluster (`envoy.config.cluster.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    core::{Empty, ProtoDuration},
    wide,
};

/// `envoy.config.cluster.v3.CircuitBreakers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitBreakers {
    /// By priority. Routes have the default one, so only its limits apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Thresholds>,
}

/// `envoy.config.cluster.v3.CircuitBreakers.Thresholds`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    #[serde(default, skip_serializing_if = "RoutingPriority::is_default")]
    pub priority: RoutingPriority,
    /// Connections to all endpoints together; 1024 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection; 1024 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending_requests: Option<u32>,
    /// Requests in flight; 1024 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
    /// Retries in flight; 3 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
}

/// `envoy.config.core.v3.RoutingPriority`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RoutingPriority {
    #[default]
    Default,
    High,
}

impl RoutingPriority {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// `envoy.type.v3.Percent`, from 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Percent {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// `envoy.config.cluster.v3.OutlierDetection`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutlierDetection {
    /// Consecutive 5xx responses until an endpoint is ejected; 5 if unset. Without split errors, failed connections count, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_5xx: Option<u32>,
    /// Interval between two looks at ejected endpoints; 10 s if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<ProtoDuration>,
    /// How long the first ejection of an endpoint lasts; 30 s if unset. The second lasts twice as long, and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ejection_time: Option<ProtoDuration>,
    /// The share of endpoints that may be ejected; 10 % if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ejection_percent: Option<u32>,
    /// The percentage of such detections that eject; 100 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_5xx: Option<u32>,
    /// The percentage of such detections that eject; 100 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_success_rate: Option<u32>,
    /// Consecutive responses 502, 503 and 504 until an endpoint is ejected; 5 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_gateway_failure: Option<u32>,
    /// The percentage of such detections that eject; 0 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_gateway_failure: Option<u32>,
    /// Whether failed connections are counted separately.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub split_external_local_origin_errors: bool,
    /// Consecutive failed connections until an endpoint is ejected, if they are counted separately; 5 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_local_origin_failure: Option<u32>,
    /// The percentage of such detections that eject; 100 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_local_origin_failure: Option<u32>,
    /// The percentage of such detections that eject; 100 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcing_local_origin_success_rate: Option<u32>,
}

/// `envoy.config.cluster.v3.Cluster.CommonLbConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonLbConfig {
    /// With a smaller share of healthy endpoints, all of them are used; 50 % if unset, 0 never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_panic_threshold: Option<Percent>,
    /// Whether the weights of localities count. With one locality they decide nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locality_weighted_lb_config: Option<Empty>,
}

/// `envoy.config.cluster.v3.Cluster.RoundRobinLbConfig` and `LeastRequestLbConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStartLbConfig {
    /// How new endpoints get their share; at once if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start_config: Option<SlowStartConfig>,
}

/// `envoy.config.cluster.v3.Cluster.SlowStartConfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStartConfig {
    /// How long an endpoint is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start_window: Option<ProtoDuration>,
    /// How fast its share grows; 1, linearly, if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggression: Option<RuntimeDouble>,
    /// Its share at the beginning; 10 % if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_weight_percent: Option<Percent>,
}

/// `envoy.config.core.v3.RuntimeDouble`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeDouble {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub default_value: f64,
    /// What overrides it at runtime, which nothing here does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runtime_key: String,
}

/// `envoy.config.cluster.v3.Cluster.RingHashLbConfig`, with the default hash function, xxHash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingHashLbConfig {
    /// Minimum number of places on the ring; 1024 if unset.
    #[serde(default, with = "wide", skip_serializing_if = "Option::is_none")]
    pub minimum_ring_size: Option<u64>,
}

/// `envoy.config.cluster.v3.Cluster.MaglevLbConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaglevLbConfig {
    /// Number of places in the table, a prime; 65537 if unset.
    #[serde(default, with = "wide", skip_serializing_if = "Option::is_none")]
    pub table_size: Option<u64>,
}

/// `envoy.config.cluster.v3.UpstreamConnectionOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConnectionOptions {
    /// Probes of idle connections; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_keepalive: Option<TcpKeepalive>,
}

/// `envoy.config.core.v3.TcpKeepalive`. What is unset is the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpKeepalive {
    /// Unanswered probes until the connection is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_probes: Option<u32>,
    /// Seconds without data before the first probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_time: Option<u32>,
    /// Seconds between probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive_interval: Option<u32>,
}

/// `envoy.config.core.v3.KeepaliveSettings`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepaliveSettings {
    /// Time between PINGs; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<ProtoDuration>,
    /// How long an answer may take.
    pub timeout: ProtoDuration,
}

/// `envoy.type.v3.HashPolicy`: what of a TCP connection is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TcpHashPolicy {
    /// The caller's address.
    SourceIp(Empty),
}
