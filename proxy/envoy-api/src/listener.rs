//! Listeners, their filter chains and filters (`envoy.config.listener.v3` and the extensions that stand in them).

use serde::{Deserialize, Serialize};

use crate::{
    AccessLog, Address, CidrRange, Empty, HttpConnectionManager, ProtoDuration, SocketOption, SubstitutionFormatString,
    TransportSocket, typed::any_of,
};

/// `envoy.config.listener.v3.Listener`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Its name, unique in a proxy.
    pub name: String,
    /// Where it listens (or, unbound, the original destination that it serves; see `bind_to_port`).
    pub address: Address,
    /// More addresses, such as `[::]` beside `0.0.0.0`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_addresses: Vec<AdditionalAddress>,
    /// Whether it takes connections to the workload or from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_direction: Option<TrafficDirection>,
    /// Whether connections are handed on to the listener whose address is the original destination's, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_original_dst: Option<bool>,
    /// Whether a socket is bound. A listener that is not gets its connections from one with `use_original_dst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_to_port: Option<bool>,
    /// Whether each worker has a socket of its own (`SO_REUSEPORT`); true when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_reuse_port: Option<bool>,
    /// What finds out, before a chain is chosen, where a connection was going and what it speaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listener_filters: Vec<ListenerFilter>,
    /// How long the listener filters may wait for bytes; 15 s when unset, 0 waits for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_filters_timeout: Option<ProtoDuration>,
    /// Whether a connection goes on, without what was not found out, after that time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_listener_filters_timeout: bool,
    /// The chains that a connection may take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter_chains: Vec<FilterChain>,
    /// The chain for connections that match none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_filter_chain: Option<Box<FilterChain>>,
    /// Logs of connections that end before they reach a chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// Options of the listening sockets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub socket_options: Vec<SocketOption>,
    /// The prefix of its counters in place of its address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stat_prefix: String,
}

/// `envoy.config.listener.v3.AdditionalAddress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditionalAddress {
    /// The address.
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
    /// Its name.
    pub name: String,
    /// What it is.
    pub typed_config: ListenerFilterConfig,
    /// The connections it leaves alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_disabled: Option<ListenerFilterChainMatchPredicate>,
}

any_of! {
    /// A listener filter.
    ListenerFilterConfig {
        /// Recovers the destination that the redirect rewrote (`SO_ORIGINAL_DST`).
        OriginalDst(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst",
        /// Tells TLS from other bytes, and reads SNI and ALPN from the ClientHello.
        TlsInspector(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        /// Tells HTTP/1.0, HTTP/1.1 and HTTP/2 from other plaintext.
        HttpInspector(Empty) = "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    }
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate`: one of its forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerFilterChainMatchPredicate {
    /// Any of these.
    OrMatch(MatchSet),
    /// All of these.
    AndMatch(MatchSet),
    /// Not this one.
    NotMatch(Box<ListenerFilterChainMatchPredicate>),
    /// Always.
    AnyMatch(bool),
    /// By (original) destination port.
    DestinationPortRange(Int32Range),
}

/// `envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchSet {
    /// At least two.
    pub rules: Vec<ListenerFilterChainMatchPredicate>,
}

/// `envoy.type.v3.Int32Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Int32Range {
    /// The first.
    pub start: i32,
    /// One past the last.
    pub end: i32,
}

/// `envoy.config.listener.v3.FilterChain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChain {
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which connections take it; all, when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_chain_match: Option<FilterChainMatch>,
    /// Its network filters, in order; the last one is terminal.
    pub filters: Vec<Filter>,
    /// What it does with the bytes below the filters; raw when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket: Option<TransportSocket>,
    /// How long the transport socket may take to shake hands; 0 or unset: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_socket_connect_timeout: Option<ProtoDuration>,
}

/// `envoy.config.listener.v3.FilterChainMatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterChainMatch {
    /// The original destination's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The original destination's address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix_ranges: Vec<CidrRange>,
    /// The SNI: exact, or `*.` and a suffix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
    /// `tls` or `raw_buffer`, as the TLS inspector saw it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub transport_protocol: String,
    /// ALPN as the TLS inspector saw it offered, or the protocol that the HTTP inspector saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub application_protocols: Vec<String>,
    /// Whether the peer is on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<SourceType>,
    /// The peer's address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_prefix_ranges: Vec<CidrRange>,
    /// The peer's port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_ports: Vec<u16>,
}

/// `envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SourceType {
    /// Either.
    Any,
    /// The same host or loopback.
    SameIpOrLoopback,
    /// Another host.
    External,
}

/// `envoy.config.listener.v3.Filter`: a network filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub typed_config: NetworkFilter,
}

any_of! {
    /// A network filter.
    NetworkFilter {
        /// Relays bytes to a cluster.
        TcpProxy(TcpProxy) = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        /// Speaks HTTP.
        HttpConnectionManager(HttpConnectionManager) =
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        /// Tells the upstream connection something, such as the ALPN to offer.
        SetFilterState(SetFilterState) = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
    }
}

/// `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpProxy {
    /// The prefix of its counters.
    pub stat_prefix: String,
    /// Where to.
    pub cluster: String,
    /// A connection with no bytes for this long is closed; 1 h when unset, 0 never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ProtoDuration>,
    /// One line a connection, when it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// How often connecting is tried; 1 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connect_attempts: Option<u32>,
}

/// `envoy.extensions.filters.network.set_filter_state.v3.Config`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFilterState {
    /// What is set when a connection arrives.
    pub on_new_connection: Vec<FilterStateValue>,
}

/// `envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterStateValue {
    /// Which object. Supported: [`APPLICATION_PROTOCOLS`] and [`UPSTREAM_SERVER_NAME`].
    pub object_key: String,
    /// Its value.
    pub format_string: SubstitutionFormatString,
    /// Whether the upstream connection sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_with_upstream: Option<SharedWithUpstream>,
}

/// The filter state object whose comma-separated value is the ALPN list that the upstream handshake offers.
pub const APPLICATION_PROTOCOLS: &str = "envoy.network.application_protocols";
/// The filter state object whose value is the SNI that the upstream handshake sends.
pub const UPSTREAM_SERVER_NAME: &str = "envoy.network.upstream_server_name";

/// `envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue.SharedWithUpstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SharedWithUpstream {
    /// Not shared.
    None,
    /// Shared with the connection that this one opens.
    Once,
    /// Shared with all that follow.
    Transitive,
}
