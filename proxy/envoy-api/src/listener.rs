//! Listeners, filter chains and filters (`envoy.config.listener.v3` and extensions).

use serde::{Deserialize, Serialize};

use crate::{
    access_log::{AccessLog, SubstitutionFormatString},
    cluster_policy::TcpHashPolicy,
    core::{Address, CidrRange, Empty, Int32Range, ProtoDuration, SocketOption},
    http::HttpConnectionManager,
    rbac::NetworkRbac,
    tls::TransportSocket,
    typed::any_of,
};

/// `envoy.config.listener.v3.Listener`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Unique in a proxy.
    pub name: String,
    /// Address to listen on, or the original destination to serve if not `bind_to_port`.
    pub address: Address,
    /// More addresses, such as `[::]` in addition to `0.0.0.0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_addresses: Vec<AdditionalAddress>,
    /// Whether its connections are to or from the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_direction: Option<TrafficDirection>,
    /// Whether connections are passed to the listener for their original destination, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_original_dst: Option<bool>,
    /// Whether a socket is bound. Otherwise the listener gets connections from one with `use_original_dst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_to_port: Option<bool>,
    /// Whether each worker has a separate socket (`SO_REUSEPORT`); true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_reuse_port: Option<bool>,
    /// Filters that determine the original destination and the protocol before a chain is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listener_filters: Vec<ListenerFilter>,
    /// Timeout of the listener filters; 15 s if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_filters_timeout: Option<ProtoDuration>,
    /// Whether a connection continues after that timeout, without what the filters would have determined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_listener_filters_timeout: bool,
    /// Filter chains to match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter_chains: Vec<FilterChain>,
    /// The chain for connections that match no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_filter_chain: Option<Box<FilterChain>>,
    /// Access logs for connections that end before a chain is chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// Options of the listening sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socket_options: Vec<SocketOption>,
    /// Prefix in statistics, instead of the address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stat_prefix: String,
    /// How many connections may wait to be accepted; the host's `net.core.somaxconn` when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_backlog_size: Option<u32>,
}

/// `envoy.config.listener.v3.AdditionalAddress`, and `envoy.config.endpoint.v3.Endpoint.AdditionalAddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditionalAddress {
    /// Address to listen on.
    pub address: Address,
}

/// `envoy.config.core.v3.TrafficDirection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TrafficDirection {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// `envoy.config.listener.v3.ListenerFilter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerFilter {
    /// Name of the filter.
    pub name: String,
    /// The filter's configuration.
    pub typed_config: ListenerFilterConfig,
    /// Connections to which it does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_disabled: Option<ListenerFilterChainMatchPredicate>,
}

any_of! {
    /// The supported listener filters.
    ListenerFilterConfig {
        /// Restores the destination before a redirect (`SO_ORIGINAL_DST`).
        OriginalDst(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
        /// Detects TLS, and reads SNI and ALPN from the ClientHello.
        TlsInspector(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        /// Detects HTTP/1.0, HTTP/1.1 and HTTP/2 in plaintext.
        HttpInspector(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    }
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate`, exactly one of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerFilterChainMatchPredicate {
    /// Any of these predicates.
    OrMatch(MatchSet),
    /// All of these predicates.
    AndMatch(MatchSet),
    /// The negation of a predicate.
    NotMatch(Box<ListenerFilterChainMatchPredicate>),
    /// Always matches.
    AnyMatch(bool),
    /// Matches the (original) destination port.
    DestinationPortRange(Int32Range),
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchSet {
    /// At least two predicates.
    pub rules: Vec<ListenerFilterChainMatchPredicate>,
}

/// `envoy.config.listener.v3.FilterChain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChain {
    /// Name of the chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which connections match; all of them if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_chain_match: Option<FilterChainMatch>,
    /// Network filters, in order; the last one is terminal.
    pub filters: Vec<Filter>,
    /// The transport below the filters, such as TLS; raw bytes if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket: Option<TransportSocket>,
    /// Timeout of the transport's handshake; disabled if 0 or unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket_connect_timeout: Option<ProtoDuration>,
}

/// `envoy.config.listener.v3.FilterChainMatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChainMatch {
    /// Port of the original destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// Networks of the original destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix_ranges: Vec<CidrRange>,
    /// SNI: exact, or `*.` and a suffix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
    /// `tls` or `raw_buffer`, as detected by the TLS inspector.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub transport_protocol: String,
    /// ALPN as offered to the TLS inspector, or the protocol that the HTTP inspector detected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub application_protocols: Vec<String>,
    /// Whether the peer is on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<SourceType>,
    /// Networks of the peer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_prefix_ranges: Vec<CidrRange>,
    /// Ports of the peer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ports: Vec<u16>,
}

/// `envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceType {
    /// Any peer.
    Any,
    /// A peer on the same host.
    SameIpOrLoopback,
    /// A peer on another host.
    External,
}

/// `envoy.config.listener.v3.Filter`: a network filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Name of the filter.
    pub name: String,
    /// The filter's configuration.
    pub typed_config: NetworkFilter,
}

any_of! {
    /// The supported network filters.
    NetworkFilter {
        /// Relays bytes to a cluster.
        TcpProxy(TcpProxy) = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        /// Processes HTTP.
        HttpConnectionManager(HttpConnectionManager) =
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        /// Authorizes the connection at its first bytes.
        Rbac(NetworkRbac) = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
        /// Passes values to the upstream connection, such as the ALPN to offer.
        SetFilterState(SetFilterState) = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
    }
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpProxy {
    /// Prefix in statistics.
    pub stat_prefix: String,
    /// Name of the cluster. It has this, or `weighted_clusters`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Clusters of which one is chosen by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted_clusters: Option<TcpWeightedCluster>,
    /// Idle timeout; 1 h if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ProtoDuration>,
    /// How long a connection may last; unlimited if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downstream_connection_duration: Option<ProtoDuration>,
    /// What is hashed, for clusters whose load balancing asks for a hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash_policy: Vec<TcpHashPolicy>,
    /// Access logs, with one entry per connection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// Maximum number of connection attempts; 1 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connect_attempts: Option<u32>,
}

impl TcpProxy {
    /// The clusters of which one gets a connection, each with its weight; one alone has 100.
    pub fn clusters(&self) -> Vec<(&str, u32)> {
        match &self.weighted_clusters {
            Some(weighted) => weighted.clusters.iter().map(|one| (one.name.as_str(), one.weight)).collect(),
            None => vec![(self.cluster.as_str(), 100)],
        }
    }
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpWeightedCluster {
    pub clusters: Vec<TcpClusterWeight>,
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpClusterWeight {
    /// Name of the cluster.
    pub name: String,
    /// Its share of the sum of all weights.
    pub weight: u32,
}

/// `envoy.extensions.filters.network.set_filter_state.v3.Config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFilterState {
    /// Values to set for each new connection.
    pub on_new_connection: Vec<FilterStateValue>,
}

/// `envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterStateValue {
    /// Name of the object: [`APPLICATION_PROTOCOLS`] or [`UPSTREAM_SERVER_NAME`].
    pub object_key: String,
    /// Value of the object.
    pub format_string: SubstitutionFormatString,
    /// Whether the upstream connection sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with_upstream: Option<SharedWithUpstream>,
}

/// Filter state object with a comma-separated list of protocols that the upstream handshake offers as ALPN.
pub const APPLICATION_PROTOCOLS: &str = "envoy.network.application_protocols";
/// Filter state object with the SNI of the upstream handshake.
pub const UPSTREAM_SERVER_NAME: &str = "envoy.network.upstream_server_name";

/// `envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.SharedWithUpstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SharedWithUpstream {
    /// Not shared.
    None,
    /// Shared with the direct upstream connection.
    Once,
    /// Shared with all later upstream connections, too.
    Transitive,
}
