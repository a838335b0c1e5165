//! The settings of a DestinationRule beside TLS (`networking/v1alpha3/destination_rule.proto` in istio/api). They decide how
//! calls are spread, limited and retried; a mistake in them has the whole rule refused.
//!
//! Durations are texts as Go writes them: `1s`, `100ms`, `1h30m`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// `loadBalancer`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// One of the simple ways.
    pub simple: Option<SimpleLoadBalancer>,
    /// By a hash of something that calls have.
    pub consistent_hash: Option<ConsistentHash>,
    /// By where endpoints are.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// By zone alone.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// The older form of `warmup`.
    pub warmup_duration_secs: Option<String>,
    /// How new endpoints get their share little by little.
    pub warmup: Option<Warmup>,
}

/// `loadBalancer.simple`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Envoy's own names")]
pub enum SimpleLoadBalancer {
    Unspecified,
    LeastConn,
    Random,
    Passthrough,
    RoundRobin,
    LeastRequest,
}

/// `loadBalancer.consistentHash`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsistentHash {
    pub http_header_name: Option<String>,
    pub http_cookie: Option<HttpCookie>,
    /// By the caller's address.
    pub use_source_ip: Option<bool>,
    /// By a parameter of the query.
    pub http_query_parameter_name: Option<String>,
    /// With Ketama's ring.
    pub ring_hash: Option<RingHash>,
    /// With Maglev's table.
    pub maglev: Option<Maglev>,
    /// The older form of `ringHash`.
    pub minimum_ring_size: Option<u64>,
}

/// `consistentHash.httpCookie`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpCookie {
    pub name: String,
    pub path: Option<String>,
    /// How long it lives, if the sidecar makes it.
    pub ttl: Option<String>,
    /// Its other attributes.
    pub attributes: Vec<CookieAttribute>,
}

/// `consistentHash.httpCookie.attributes[]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CookieAttribute {
    pub name: String,
    pub value: Option<String>,
}

/// `consistentHash.ringHash`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RingHash {
    /// How many places there are at least.
    pub minimum_ring_size: Option<u64>,
}

/// `consistentHash.maglev`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Maglev {
    /// How many places there are: a prime.
    pub table_size: Option<u64>,
}

/// `loadBalancer.localityLbSetting`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalityLbSetting {
    /// How many calls of one place go to which others, in percent.
    pub distribute: Vec<Distribute>,
    /// Which region stands in for which.
    pub failover: Vec<Failover>,
    /// By which labels endpoints are near.
    pub failover_priority: Vec<String>,
    /// Whether any of it is in force.
    pub enabled: Option<bool>,
}

/// `localityLbSetting.distribute[]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Distribute {
    /// Calls from here.
    pub from: String,
    /// Percentages by place.
    pub to: BTreeMap<String, i64>,
}

/// `localityLbSetting.failover[]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Failover {
    /// The region that fails.
    pub from: String,
    /// The region that stands in for it.
    pub to: String,
}

/// `loadBalancer.zoneAwareLbSetting`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ZoneAwareLbSetting {
    /// Which region stands in for which.
    pub failover: Vec<Failover>,
    /// By which labels endpoints are near.
    pub failover_priority: Vec<String>,
    /// With how many endpoints it is in force.
    pub min_cluster_size: Option<u32>,
    /// Whether any of it is in force.
    pub enabled: Option<bool>,
}

/// `loadBalancer.warmup`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Warmup {
    /// How long it takes.
    pub duration: String,
    /// The share at its begin, in percent.
    pub minimum_percent: Option<f64>,
    /// How fast the share grows.
    pub aggression: Option<f64>,
}

/// `connectionPool`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ConnectionPool {
    /// Of all connections.
    pub tcp: Option<TcpPool>,
    pub http: Option<HttpPool>,
}

/// `connectionPool.tcp`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpPool {
    /// How many there may be.
    pub max_connections: i64,
    /// How long one may take to be made.
    pub connect_timeout: Option<String>,
    /// Keepalive probes.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How long one may last.
    pub max_connection_duration: Option<String>,
    /// How long one may be idle.
    pub idle_timeout: Option<String>,
}

/// `connectionPool.tcp.tcpKeepalive`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TcpKeepalive {
    /// How many go unanswered.
    pub probes: Option<u32>,
    /// How long a connection is idle before the first.
    pub time: Option<String>,
    /// How long between them.
    pub interval: Option<String>,
}

/// `connectionPool.http`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpPool {
    /// How many requests may wait for a connection.
    pub http1_max_pending_requests: i64,
    /// How many requests there may be.
    pub http2_max_requests: i64,
    /// How many requests one connection carries.
    pub max_requests_per_connection: i64,
    /// How many retries there may be.
    pub max_retries: i64,
    /// How long a connection may be idle.
    pub idle_timeout: Option<String>,
    /// Whether HTTP/1.1 becomes HTTP/2 on the way.
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Whether the caller's version of HTTP is kept.
    pub use_client_protocol: bool,
    /// How many streams one connection has at once.
    pub max_concurrent_streams: i64,
    /// HTTP/2's PINGs.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// `connectionPool.http.http2KeepAlive`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Http2KeepAlive {
    /// How long between them.
    pub interval: Option<String>,
    /// How long an answer may take.
    pub timeout: Option<String>,
}

/// `connectionPool.http.h2UpgradePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As MeshConfig says.
    #[default]
    Default,
    /// Never.
    DoNotUpgrade,
    /// Always.
    Upgrade,
}

/// `outlierDetection`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutlierDetection {
    /// The older form of `consecutive5xxErrors`.
    pub consecutive_errors: i64,
    /// Whether failures to connect are counted by themselves.
    pub split_external_local_origin_errors: bool,
    /// How many failures to connect.
    pub consecutive_local_origin_failures: Option<u32>,
    /// How many answers 502, 503 and 504.
    pub consecutive_gateway_errors: Option<u32>,
    /// How many answers of the 500s.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// How long between two looks.
    pub interval: Option<String>,
    /// How long an endpoint is left out at first.
    pub base_ejection_time: Option<String>,
    /// How many endpoints may be left out, in percent.
    pub max_ejection_percent: i64,
    /// With how many good ones it is in force, in percent.
    pub min_health_percent: i64,
    /// Which answers count as errors.
    pub outlier_detection_http_error_codes: Vec<Value>,
}

/// `tunnel`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tunnel {
    /// CONNECT or POST.
    pub protocol: String,
    /// Whom the proxy is asked for.
    pub target_host: String,
    /// On which port.
    pub target_port: i64,
}

/// `proxyProtocol`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ProxyProtocol {
    /// V1 or V2.
    pub version: String,
}

/// `retryBudget`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryBudget {
    /// How many of the calls may be retries, in percent.
    pub percent: Option<f64>,
    /// Over which time they are counted.
    pub budget_interval: Option<String>,
    /// How many there may be in any case.
    pub min_retry_concurrency: u32,
}
