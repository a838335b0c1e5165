//! Clusters and endpoints (`envoy.config.cluster.v3`, `envoy.config.endpoint.v3`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    cluster_policy::{
        CircuitBreakers, CommonLbConfig, MaglevLbConfig, OutlierDetection, RingHashLbConfig, SlowStartLbConfig,
        UpstreamConnectionOptions,
    },
    core::{Address, ConfigSource, Metadata, ProtoDuration, SocketAddress, SocketOption},
    http::ExtensionProtocolOptions,
    listener::AdditionalAddress,
    tls::TransportSocket,
};

/// `envoy.config.cluster.v3.Cluster`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Unique in a proxy; `DIRECTION|PORT|SUBSET|HOST` in a mesh.
    pub name: String,
    /// How its endpoints are discovered.
    #[serde(rename = "type", default)]
    pub discovery_type: DiscoveryType,
    /// The file with endpoints, for `EDS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eds_cluster_config: Option<EdsClusterConfig>,
    /// Timeout for connecting, including the TLS handshake; 5 s if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<ProtoDuration>,
    /// How an endpoint is chosen.
    #[serde(default)]
    pub lb_policy: LbPolicy,
    /// The endpoints, for `STATIC` and the DNS types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_assignment: Option<ClusterLoadAssignment>,
    /// The transport, such as TLS; raw bytes if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket: Option<TransportSocket>,
    /// Transports by endpoint metadata (`envoy.transport_socket_match`); the first match takes precedence over `transport_socket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transport_socket_matches: Vec<TransportSocketMatch>,
    /// Source address of upstream connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_bind_config: Option<BindConfig>,
    /// HTTP options; HTTP/1.1 if unset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub typed_extension_protocol_options: BTreeMap<String, ExtensionProtocolOptions>,
    /// Which addresses of a name are used, for the DNS types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_lookup_family: Option<DnsLookupFamily>,
    /// Overrides of the original destination, for `ORIGINAL_DST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_dst_lb_config: Option<OriginalDstLbConfig>,
    /// The ring, for `RING_HASH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_hash_lb_config: Option<RingHashLbConfig>,
    /// How new endpoints get their share, for `ROUND_ROBIN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_robin_lb_config: Option<SlowStartLbConfig>,
    /// How new endpoints get their share, for `LEAST_REQUEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_request_lb_config: Option<SlowStartLbConfig>,
    /// The table, for `MAGLEV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maglev_lb_config: Option<MaglevLbConfig>,
    /// Options of all load balancing policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_lb_config: Option<CommonLbConfig>,
    /// Limits of connections and requests; Envoy's defaults if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breakers: Option<CircuitBreakers>,
    /// When an endpoint that fails is ejected; never if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierDetection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_connection_options: Option<UpstreamConnectionOptions>,
    /// Whether each downstream connection has separate upstream connections.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connection_pool_per_downstream_connection: bool,
    /// Name in statistics, instead of `name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alt_stat_name: String,
    /// Annotations of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// `envoy.config.cluster.v3.Cluster.DiscoveryType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DiscoveryType {
    /// Endpoints in the configuration.
    #[default]
    Static,
    /// All addresses of a name.
    StrictDns,
    /// The first address of a name.
    LogicalDns,
    /// Endpoints in a file.
    Eds,
    /// The original destination of the connection.
    OriginalDst,
}

/// `envoy.config.cluster.v3.Cluster.LbPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LbPolicy {
    #[default]
    RoundRobin,
    /// The less loaded of two random endpoints.
    LeastRequest,
    /// A random endpoint.
    Random,
    /// By a hash of the request, on a ring of endpoints (Ketama).
    RingHash,
    /// By a hash of the request, in a table of endpoints.
    Maglev,
    /// Determined by the discovery type (`ORIGINAL_DST`).
    ClusterProvided,
}

/// `envoy.config.cluster.v3.Cluster.DnsLookupFamily`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DnsLookupFamily {
    /// IPv6, or IPv4 if there is none.
    Auto,
    /// Only IPv4.
    V4Only,
    /// Only IPv6.
    V6Only,
    /// IPv4, or IPv6 if there is none.
    V4Preferred,
    /// Both IP versions.
    All,
}

/// `envoy.config.cluster.v3.Cluster.OriginalDstLbConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalDstLbConfig {
    /// Port that replaces the one of the original destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_port_override: Option<u16>,
}

impl Cluster {
    /// The address to connect to for an original destination, for `ORIGINAL_DST`.
    pub fn original_destination(&self, mut destination: std::net::SocketAddr) -> std::net::SocketAddr {
        if let Some(port) = self.original_dst_lb_config.as_ref().and_then(|config| config.upstream_port_override) {
            destination.set_port(port);
        }
        destination
    }
}

/// `envoy.config.cluster.v3.Cluster.EdsClusterConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdsClusterConfig {
    /// The file with endpoints.
    pub eds_config: ConfigSource,
    /// Name of the assignment in the file; the cluster's name if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_name: String,
}

/// `envoy.config.cluster.v3.Cluster.TransportSocketMatch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSocketMatch {
    /// Name in statistics.
    pub name: String,
    /// Keys and values that the endpoint's metadata must contain; matches any endpoint if empty.
    #[serde(rename = "match", default)]
    pub matcher: Map<String, Value>,
    /// The transport for matching endpoints.
    pub transport_socket: TransportSocket,
}

/// The metadata filter that [`TransportSocketMatch`] uses.
pub const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// `envoy.config.core.v3.BindConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<SocketAddress>,
    /// Source addresses for destinations of the other IP version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_source_addresses: Vec<ExtraSourceAddress>,
    /// Options of upstream sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socket_options: Vec<SocketOption>,
}

/// `envoy.config.core.v3.ExtraSourceAddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraSourceAddress {
    /// Source address.
    pub address: SocketAddress,
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterLoadAssignment {
    /// Name of the cluster, or its `service_name`.
    pub cluster_name: String,
    #[serde(default)]
    pub endpoints: Vec<LocalityLbEndpoints>,
}

/// `envoy.config.endpoint.v3.LocalityLbEndpoints`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityLbEndpoints {
    /// Endpoints of the locality.
    #[serde(default)]
    pub lb_endpoints: Vec<LbEndpoint>,
}

/// `envoy.config.endpoint.v3.LbEndpoint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LbEndpoint {
    /// Address of the endpoint.
    pub endpoint: Endpoint,
    /// Facts about the endpoint, such as its TLS mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Relative weight; 1 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing_weight: Option<u32>,
}

/// `envoy.config.endpoint.v3.Endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Address of the endpoint.
    pub address: Address,
    /// More addresses of the same host, tried in this order if the first fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_addresses: Vec<AdditionalAddress>,
}
