//! HTTP: connection manager, filters, routes
//! (`envoy.extensions.filters.network.http_connection_manager.v3`, `envoy.config.route.v3`).

use serde::{Deserialize, Serialize};

use crate::{AccessLog, ConfigSource, ProtoDuration, StringMatcher, TextFormat, typed::any_of};

/// `HttpConnectionManager`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConnectionManager {
    /// How the codec is chosen; `AUTO` when unset: by negotiated ALPN, else by the HTTP/2 preface.
    #[serde(default)]
    pub codec_type: CodecType,
    /// The prefix of its counters.
    pub stat_prefix: String,
    /// Routes from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rds: Option<Rds>,
    /// Routes in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_config: Option<RouteConfiguration>,
    /// Its HTTP filters, in order; the last one is the router.
    pub http_filters: Vec<HttpFilter>,
    /// The value of the `server` header of responses; `envoy` when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// What is done with the `server` header that the upstream sent; overwritten when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_header_transformation: Option<ServerHeaderTransformation>,
    /// Whether the peer's address is taken for the client's, and appended to `x-forwarded-for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_remote_address: Option<bool>,
    /// What is done with `x-forwarded-client-cert`; `SANITIZE` when unset.
    #[serde(default)]
    pub forward_client_cert_details: ForwardClientCertDetails,
    /// Which parts of the client's certificate are put into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
    /// One line a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// Protocol upgrades that are allowed, such as `websocket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upgrade_configs: Vec<UpgradeConfig>,
    /// Options of HTTP/1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_protocol_options: Option<Http1ProtocolOptions>,
    /// Options of HTTP/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2_protocol_options: Option<Http2ProtocolOptions>,
    /// Options of any HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_http_protocol_options: Option<CommonHttpProtocolOptions>,
    /// A stream with no bytes for this long is closed; 5 min when unset, 0 never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_idle_timeout: Option<ProtoDuration>,
    /// How long a connection stays open for its last requests when the listener drains; 5 s when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<ProtoDuration>,
    /// Whether `.` and `..` in paths are resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize_path: Option<bool>,
    /// Whether a request without an `x-request-id` gets one; true when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_request_id: Option<bool>,
    /// Whether an `x-request-id` that comes from outside is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preserve_external_request_id: bool,
}

/// `HttpConnectionManager.CodecType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CodecType {
    /// By ALPN, else by the preface.
    #[default]
    Auto,
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// `HttpConnectionManager.ServerHeaderTransformation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerHeaderTransformation {
    /// The proxy's name in place of the upstream's.
    Overwrite,
    /// The proxy's name if there is none.
    AppendIfAbsent,
    /// Left as it is.
    PassThrough,
}

/// `HttpConnectionManager.ForwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForwardClientCertDetails {
    /// The header is removed.
    #[default]
    Sanitize,
    /// Passed on if the connection is mTLS.
    ForwardOnly,
    /// Appended to if the connection is mTLS, else removed.
    AppendForward,
    /// Set anew if the connection is mTLS, else removed.
    SanitizeSet,
    /// Passed on in any case.
    AlwaysForwardOnly,
}

/// `HttpConnectionManager.SetCurrentClientCertDetails`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCurrentClientCertDetails {
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<bool>,
    /// The URI SANs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uri: bool,
    /// The DNS SANs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dns: bool,
}

/// `HttpConnectionManager.UpgradeConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeConfig {
    /// The value of the `upgrade` header, such as `websocket`.
    pub upgrade_type: String,
}

/// `envoy.config.core.v3.Http1ProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http1ProtocolOptions {
    /// Whether HTTP/1.0 is answered; with 426 when not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_http_10: bool,
}

/// `envoy.config.core.v3.Http2ProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2ProtocolOptions {
    /// Streams at a time on a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_streams: Option<u32>,
    /// A stream's window, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_stream_window_size: Option<u32>,
    /// A connection's window, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_connection_window_size: Option<u32>,
}

/// `envoy.config.core.v3.HttpProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonHttpProtocolOptions {
    /// A connection without requests for this long is closed; 1 h when unset, 0 never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ProtoDuration>,
    /// Requests on a connection before it is closed; no limit when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests_per_connection: Option<u32>,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.Rds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rds {
    /// The file.
    pub config_source: ConfigSource,
    /// The name of the route configuration in it.
    pub route_config_name: String,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpFilter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub typed_config: HttpFilterConfig,
}

any_of! {
    /// An HTTP filter.
    HttpFilterConfig {
        /// Sends requests to clusters.
        Router(Router) = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }
}

/// `envoy.extensions.filters.http.router.v3.Router`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Whether the `x-envoy-*` headers are left out of what it sends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suppress_envoy_headers: bool,
}

/// `envoy.config.route.v3.RouteConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfiguration {
    /// Its name.
    pub name: String,
    /// Its virtual hosts.
    #[serde(default)]
    pub virtual_hosts: Vec<VirtualHost>,
    /// Whether a route to a cluster that is not there refuses the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_clusters: Option<bool>,
    /// Whether the port in a request's `host` is ignored when a virtual host is looked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_port_in_host_matching: bool,
}

/// `envoy.config.route.v3.VirtualHost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualHost {
    /// Its name.
    pub name: String,
    /// Values of `host` / `:authority`: exact, `*.suffix`, `prefix.*` or `*`, the most specific first.
    pub domains: Vec<String>,
    /// Its routes; the first that matches wins.
    pub routes: Vec<Route>,
    /// Whether the upstream is told by `x-envoy-attempt-count` how often a request was tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_request_attempt_count: bool,
}

/// `envoy.config.route.v3.Route`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, in logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which requests take it.
    #[serde(rename = "match")]
    pub matcher: RouteMatch,
    /// To a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteAction>,
    /// Answered by the proxy itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_response: Option<DirectResponseAction>,
    /// What the operation is called in traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorator: Option<Decorator>,
}

/// `envoy.config.route.v3.RouteMatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    /// How the path begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The whole path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Headers that must match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatcher>,
}

/// `envoy.config.route.v3.HeaderMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatcher {
    /// The header.
    pub name: String,
    /// Its value.
    pub string_match: StringMatcher,
}

/// `envoy.config.route.v3.RouteAction`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteAction {
    /// The cluster.
    pub cluster: String,
    /// How long the whole response may take; 15 s when unset, 0 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ProtoDuration>,
    /// When and how often a request is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
}

/// `envoy.config.route.v3.RetryPolicy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Conditions, separated by commas, such as `connect-failure,refused-stream`.
    pub retry_on: String,
    /// How often; 1 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_retries: Option<u32>,
    /// Status codes for `retriable-status-codes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retriable_status_codes: Vec<u16>,
    /// Waiting between tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_back_off: Option<RetryBackOff>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryBackOff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryBackOff {
    /// The first wait is at most this; it doubles with each try.
    pub base_interval: ProtoDuration,
    /// No wait is longer; ten times the base when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<ProtoDuration>,
}

/// `envoy.config.route.v3.DirectResponseAction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectResponseAction {
    /// The status.
    pub status: u16,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<TextFormat>,
}

/// `envoy.config.route.v3.Decorator`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decorator {
    /// The operation.
    pub operation: String,
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`: how a cluster speaks HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpProtocolOptions {
    /// Always the same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explicit_http_config: Option<ExplicitHttpConfig>,
    /// The version that the downstream request came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_downstream_protocol_config: Option<UseDownstreamHttpConfig>,
    /// SNI and SAN checks by the request's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http_protocol_options: Option<UpstreamHttpProtocolOptions>,
    /// Options of any HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_http_protocol_options: Option<CommonHttpProtocolOptions>,
}

/// `HttpProtocolOptions.ExplicitHttpConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplicitHttpConfig {
    /// HTTP/1.1.
    HttpProtocolOptions(Http1ProtocolOptions),
    /// HTTP/2.
    Http2ProtocolOptions(Http2ProtocolOptions),
}

/// `HttpProtocolOptions.UseDownstreamHttpConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseDownstreamHttpConfig {
    /// Options when it is HTTP/1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_protocol_options: Option<Http1ProtocolOptions>,
    /// Options when it is HTTP/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2_protocol_options: Option<Http2ProtocolOptions>,
}

/// `envoy.config.core.v3.UpstreamHttpProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamHttpProtocolOptions {
    /// The SNI is the request's host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_sni: bool,
    /// The server's certificate must be for that host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_san_validation: bool,
}

/// The key of [`HttpProtocolOptions`] in a cluster's `typed_extension_protocol_options`.
pub const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

any_of! {
    /// A value of a cluster's `typed_extension_protocol_options`.
    ExtensionProtocolOptions {
        /// How it speaks HTTP.
        Http(HttpProtocolOptions) = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    }
}

impl Router {
    /// The router, as an HTTP filter.
    pub fn filter() -> HttpFilter {
        HttpFilter { name: "envoy.filters.http.router".into(), typed_config: HttpFilterConfig::Router(Self::default()) }
    }
}
