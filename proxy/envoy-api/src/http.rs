//! HTTP: connection manager, filters, options of clusters
//! (`envoy.extensions.filters.network.http_connection_manager.v3`, `envoy.extensions.upstreams.http.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    access_log::AccessLog,
    cluster_policy::KeepaliveSettings,
    core::{ConfigSource, ProtoDuration},
    peer_metadata::PeerMetadata,
    rbac::HttpRbac,
    route::RouteConfiguration,
    route_filters::{CORS_FILTER, Cors, FAULT_FILTER, HttpFault},
    tracing::{HttpTracing, RequestIdExtension},
    typed::any_of,
};

/// `HttpConnectionManager`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConnectionManager {
    /// How the codec is chosen. `AUTO` by default: by ALPN, otherwise by the HTTP/2 preface.
    #[serde(default)]
    pub codec_type: CodecType,
    /// Prefix in statistics.
    pub stat_prefix: String,
    /// Routes in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rds: Option<Rds>,
    /// Routes in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_config: Option<RouteConfiguration>,
    /// HTTP filters, in order; the last one is the router.
    pub http_filters: Vec<HttpFilter>,
    /// Value of the `server` header in responses; `envoy` if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// What happens to the upstream's `server` header; overwritten if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_header_transformation: Option<ServerHeaderTransformation>,
    /// Whether the peer's address is used as the client's and appended to `x-forwarded-for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_remote_address: Option<bool>,
    /// The number of trusted proxies before the peer; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xff_num_trusted_hops: Option<u32>,
    /// What happens to `x-forwarded-client-cert`; `SANITIZE` by default.
    #[serde(default)]
    pub forward_client_cert_details: ForwardClientCertDetails,
    /// Parts of the client's certificate that are added to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
    /// Access logs, with one entry per request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_log: Vec<AccessLog>,
    /// Allowed protocol upgrades, such as `websocket`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upgrade_configs: Vec<UpgradeConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_protocol_options: Option<Http1ProtocolOptions>,
    /// Options of HTTP/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2_protocol_options: Option<Http2ProtocolOptions>,
    /// Options of all HTTP versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_http_protocol_options: Option<CommonHttpProtocolOptions>,
    /// Idle timeout of streams; 5 min if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_idle_timeout: Option<ProtoDuration>,
    /// How long a draining connection accepts its last requests; 5 s if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_timeout: Option<ProtoDuration>,
    /// Whether `.` and `..` in paths are resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize_path: Option<bool>,
    /// Whether several slashes in a row become one, after that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merge_slashes: bool,
    /// What becomes of escaped slashes and backslashes in paths, before that.
    #[serde(default, skip_serializing_if = "EscapedSlashes::is_default")]
    pub path_with_escaped_slashes_action: EscapedSlashes,
    /// Whether requests without `x-request-id` get one; true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_request_id: Option<bool>,
    /// Whether an `x-request-id` from outside is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preserve_external_request_id: bool,
    /// Which requests are traced, and who is told; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<HttpTracing>,
    /// What makes request ids; random UUIDs if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id_extension: Option<RequestIdExtension>,
}

/// `HttpConnectionManager.PathWithEscapedSlashesAction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EscapedSlashes {
    /// They are kept, unless the runtime says otherwise.
    #[default]
    ImplementationSpecificDefault,
    /// They are kept.
    KeepUnchanged,
    /// The request is rejected with 400.
    RejectRequest,
    /// The request is answered with 307 to the unescaped path.
    UnescapeAndRedirect,
    /// They are unescaped.
    UnescapeAndForward,
}

impl EscapedSlashes {
    /// Whether it is the value of an unset field.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `HttpConnectionManager.CodecType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CodecType {
    /// By ALPN, otherwise by the preface.
    #[default]
    Auto,
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// `HttpConnectionManager.ServerHeaderTransformation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerHeaderTransformation {
    /// Replaces the upstream's value.
    Overwrite,
    /// Sets the header if it is absent.
    AppendIfAbsent,
    /// Leaves the header unchanged.
    PassThrough,
}

/// `HttpConnectionManager.ForwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForwardClientCertDetails {
    /// Removes the header.
    #[default]
    Sanitize,
    /// Forwards the header on mTLS connections.
    ForwardOnly,
    /// Appends to the header on mTLS connections, otherwise removes it.
    AppendForward,
    /// Replaces the header on mTLS connections, otherwise removes it.
    SanitizeSet,
    /// Forwards the header on all connections.
    AlwaysForwardOnly,
}

/// `HttpConnectionManager.SetCurrentClientCertDetails`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCurrentClientCertDetails {
    /// Includes the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<bool>,
    /// Includes the whole certificate, as URL-encoded PEM.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cert: bool,
    /// Includes the URI SANs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uri: bool,
    /// Includes the DNS SANs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dns: bool,
}

/// `HttpConnectionManager.UpgradeConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeConfig {
    /// Value of the `upgrade` header, such as `websocket`.
    pub upgrade_type: String,
}

/// `envoy.config.core.v3.Http1ProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http1ProtocolOptions {
    /// Whether HTTP/1.0 is accepted; otherwise it is answered with 426.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_http_10: bool,
}

/// `envoy.config.core.v3.Http2ProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http2ProtocolOptions {
    /// Maximum number of concurrent streams on a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_streams: Option<u32>,
    /// Flow-control window of a stream, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_stream_window_size: Option<u32>,
    /// Flow-control window of a connection, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_connection_window_size: Option<u32>,
    /// PINGs, of upstream connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_keepalive: Option<KeepaliveSettings>,
}

/// `envoy.config.core.v3.HttpProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonHttpProtocolOptions {
    /// Idle timeout of connections without requests; 1 h if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ProtoDuration>,
    /// Maximum number of requests on a connection; unlimited if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests_per_connection: Option<u32>,
    /// How long a connection is used; unlimited if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connection_duration: Option<ProtoDuration>,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.Rds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rds {
    /// The file with the route configuration.
    pub config_source: ConfigSource,
    /// Name of the route configuration in the file.
    pub route_config_name: String,
}

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpFilter {
    /// Name of the filter.
    pub name: String,
    /// The filter's configuration.
    pub typed_config: HttpFilterConfig,
}

any_of! {
    /// The supported HTTP filters.
    HttpFilterConfig {
        /// Forwards requests to clusters.
        Router(Router) = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        /// Authorizes requests.
        Rbac(HttpRbac) = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        /// Delays and aborts requests, as their routes say.
        Fault(HttpFault) = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        /// Answers for CORS, as routes say.
        Cors(Cors) = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
        /// Chooses the ALPN that the upstream handshake offers; in Istio's build of Envoy only.
        Alpn(AlpnFilter) = "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
        /// Tells peers of this workload, and learns theirs; in Istio's build of Envoy only.
        PeerMetadata(PeerMetadata) = "type.googleapis.com/io.istio.http.peer_metadata.Config",
    }
}

/// `envoy.extensions.filters.http.router.v3.Router`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// Whether `x-envoy-*` headers are omitted from upstream requests and responses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suppress_envoy_headers: bool,
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlpnFilter {
    /// ALPN to offer, by the HTTP version of the upstream connection.
    #[serde(default)]
    pub alpn_override: Vec<AlpnOverride>,
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.AlpnOverride`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlpnOverride {
    /// HTTP version.
    #[serde(default)]
    pub upstream_protocol: UpstreamProtocol,
    /// Protocols to offer, in order of preference.
    #[serde(default)]
    pub alpn_override: Vec<String>,
}

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig.Protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UpstreamProtocol {
    /// HTTP/1.0.
    #[default]
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// `envoy.extensions.upstreams.http.v3.HttpProtocolOptions`: HTTP options of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpProtocolOptions {
    /// Always uses this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explicit_http_config: Option<ExplicitHttpConfig>,
    /// Uses the version of the downstream request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_downstream_protocol_config: Option<UseDownstreamHttpConfig>,
    /// Whether SNI and SAN checks depend on the request's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_http_protocol_options: Option<UpstreamHttpProtocolOptions>,
    /// Options of all HTTP versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_http_protocol_options: Option<CommonHttpProtocolOptions>,
}

/// `HttpProtocolOptions.ExplicitHttpConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplicitHttpConfig {
    /// Uses HTTP/1.1.
    HttpProtocolOptions(Http1ProtocolOptions),
    /// Uses HTTP/2.
    Http2ProtocolOptions(Http2ProtocolOptions),
}

/// `HttpProtocolOptions.UseDownstreamHttpConfig`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseDownstreamHttpConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_protocol_options: Option<Http1ProtocolOptions>,
    /// Options for HTTP/2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2_protocol_options: Option<Http2ProtocolOptions>,
}

/// `envoy.config.core.v3.UpstreamHttpProtocolOptions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamHttpProtocolOptions {
    /// Whether the SNI is the request's host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_sni: bool,
    /// Whether the server's certificate must be for the request's host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auto_san_validation: bool,
}

/// The key of [`HttpProtocolOptions`] in a cluster's `typed_extension_protocol_options`.
pub const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

any_of! {
    /// The supported values of a cluster's `typed_extension_protocol_options`.
    ExtensionProtocolOptions {
        Http(HttpProtocolOptions) = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    }
}

impl HttpFault {
    /// The HTTP filter that does what routes say, and nothing else.
    pub fn filter() -> HttpFilter {
        HttpFilter { name: FAULT_FILTER.into(), typed_config: HttpFilterConfig::Fault(Self::default()) }
    }
}

impl Cors {
    pub fn filter() -> HttpFilter {
        HttpFilter { name: CORS_FILTER.into(), typed_config: HttpFilterConfig::Cors(Self {}) }
    }
}

impl Router {
    /// The router as an HTTP filter.
    pub fn filter() -> HttpFilter {
        HttpFilter { name: "envoy.filters.http.router".into(), typed_config: HttpFilterConfig::Router(Self::default()) }
    }
}
