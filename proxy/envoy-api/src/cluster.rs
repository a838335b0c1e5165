//! Clusters and endpoints (`envoy.config.cluster.v3`, `envoy.config.endpoint.v3`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Address, ConfigSource, ExtensionProtocolOptions, ProtoDuration, SocketAddress, SocketOption, TransportSocket,
};

/// `envoy.config.cluster.v3.Cluster`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its name, unique in a proxy; in a mesh `DIRECTION|PORT|SUBSET|HOST`.
    pub name: String,
    /// How its endpoints are found.
    #[serde(rename = "type", default)]
    pub discovery_type: DiscoveryType,
    /// Where the file of endpoints is, for `EDS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eds_cluster_config: Option<EdsClusterConfig>,
    /// How long connecting may take, the TLS handshake included; 5 s when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<ProtoDuration>,
    /// How an endpoint is chosen.
    #[serde(default)]
    pub lb_policy: LbPolicy,
    /// The endpoints, for `STATIC` and the DNS types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_assignment: Option<ClusterLoadAssignment>,
    /// What is done with the bytes; raw when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket: Option<TransportSocket>,
    /// The same by endpoint metadata (`envoy.transport_socket_match`); the first match wins, before `transport_socket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transport_socket_matches: Vec<TransportSocketMatch>,
    /// The source of upstream connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_bind_config: Option<BindConfig>,
    /// How it speaks HTTP; HTTP/1.1 when unset.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub typed_extension_protocol_options: BTreeMap<String, ExtensionProtocolOptions>,
    /// Which addresses of a name are used, for the DNS types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_lookup_family: Option<DnsLookupFamily>,
    /// Where else a connection goes than it was going, for `ORIGINAL_DST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_dst_lb_config: Option<OriginalDstLbConfig>,
    /// Whether each downstream connection has connections of its own upstream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub connection_pool_per_downstream_connection: bool,
    /// The name in counters in place of `name`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alt_stat_name: String,
    /// What the control plane notes on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// `envoy.config.cluster.v3.Cluster.DiscoveryType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DiscoveryType {
    /// Endpoints in place.
    #[default]
    Static,
    /// All addresses that a name resolves to.
    StrictDns,
    /// The first address that a name resolves to.
    LogicalDns,
    /// Endpoints from a file.
    Eds,
    /// The address that the connection was going to.
    OriginalDst,
}

/// `envoy.config.cluster.v3.Cluster.LbPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LbPolicy {
    /// In turn.
    #[default]
    RoundRobin,
    /// The less loaded of two chosen at random.
    LeastRequest,
    /// At random.
    Random,
    /// As the discovery type says (`ORIGINAL_DST`).
    ClusterProvided,
}

/// `envoy.config.cluster.v3.Cluster.DnsLookupFamily`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DnsLookupFamily {
    /// IPv6, else IPv4.
    Auto,
    /// IPv4.
    V4Only,
    /// IPv6.
    V6Only,
    /// IPv4, else IPv6.
    V4Preferred,
    /// Both.
    All,
}

/// `envoy.config.cluster.v3.Cluster.OriginalDstLbConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalDstLbConfig {
    /// The port, in place of the one that the connection was going to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_port_override: Option<u16>,
}

impl Cluster {
    /// Where a connection goes that was going to an address, for `ORIGINAL_DST`.
    pub fn overridden(&self, mut destination: std::net::SocketAddr) -> std::net::SocketAddr {
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
    /// The file.
    pub eds_config: ConfigSource,
    /// The name of the assignment in it; the cluster's when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_name: String,
}

/// `envoy.config.cluster.v3.Cluster.TransportSocketMatch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSocketMatch {
    /// Its name, in counters.
    pub name: String,
    /// Keys and values that the endpoint's metadata must have; empty matches all.
    #[serde(rename = "match", default)]
    pub matcher: Map<String, Value>,
    /// The transport socket.
    pub transport_socket: TransportSocket,
}

/// The metadata filter that [`TransportSocketMatch`] looks at.
pub const TRANSPORT_SOCKET_MATCH: &str = "envoy.transport_socket_match";

/// `envoy.config.core.v3.BindConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindConfig {
    /// The source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<SocketAddress>,
    /// Source addresses for destinations of the other family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_source_addresses: Vec<ExtraSourceAddress>,
    /// Options of the upstream sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socket_options: Vec<SocketOption>,
}

/// `envoy.config.core.v3.ExtraSourceAddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraSourceAddress {
    /// The address.
    pub address: SocketAddress,
}

/// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterLoadAssignment {
    /// The cluster's name, or its `service_name`.
    pub cluster_name: String,
    /// Endpoints by locality.
    #[serde(default)]
    pub endpoints: Vec<LocalityLbEndpoints>,
}

/// `envoy.config.endpoint.v3.LocalityLbEndpoints`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityLbEndpoints {
    /// The endpoints.
    #[serde(default)]
    pub lb_endpoints: Vec<LbEndpoint>,
}

/// `envoy.config.endpoint.v3.LbEndpoint`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LbEndpoint {
    /// Where.
    pub endpoint: Endpoint,
    /// What is known of it, such as its TLS mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Its share among the others; 1 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancing_weight: Option<u32>,
}

/// `envoy.config.endpoint.v3.Endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
}

/// `envoy.config.core.v3.Metadata`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Values by filter.
    #[serde(default)]
    pub filter_metadata: BTreeMap<String, Map<String, Value>>,
}
