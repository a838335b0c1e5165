//! VirtualService (`networking/v1alpha3/virtual_service.proto` in istio/api).
//!
//! Durations are texts as Go writes them: `1s`, `100ms`, `1h30m`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `spec` of a VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VirtualServiceSpec {
    /// For which hosts; none where others delegate to it.
    pub hosts: Vec<String>,
    /// At which gateways; `mesh`, which is all sidecars, if there is none.
    pub gateways: Vec<String>,
    /// Routes of HTTP, of which the first match counts.
    pub http: Vec<HttpRoute>,
    /// Routes of TLS that passes through.
    pub tls: Vec<TlsRoute>,
    /// Routes of TCP.
    pub tcp: Vec<TcpRoute>,
    /// To which namespaces: `.`, `*` or names; `*` by default.
    pub export_to: Vec<String>,
}

/// One of `http`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRoute {
    /// Its name, in access logs.
    pub name: String,
    /// What it is for: one of these; all if there is none.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Where requests go.
    pub route: Vec<HttpRouteDestination>,
    /// Where callers are sent.
    pub redirect: Option<HttpRedirect>,
    /// What callers are answered.
    pub direct_response: Option<HttpDirectResponse>,
    /// The VirtualService whose routes stand here.
    pub delegate: Option<Delegate>,
    /// What becomes of the path and the host.
    pub rewrite: Option<HttpRewrite>,
    /// How long a request may take.
    pub timeout: Option<String>,
    /// How often it is tried again.
    pub retries: Option<HttpRetry>,
    /// What is done to it.
    pub fault: Option<HttpFaultInjection>,
    /// Who else gets it.
    pub mirror: Option<Destination>,
    /// Who else gets it.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// The older form of `mirrorPercentage`.
    pub mirror_percent: Option<u32>,
    /// Which share `mirror` gets.
    pub mirror_percentage: Option<Percent>,
    /// Which origins may make it.
    pub cors_policy: Option<CorsPolicy>,
    /// What headers it and its answer get and lose.
    pub headers: Option<Headers>,
}

/// `http[].delegate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Delegate {
    pub name: String,
    /// Its namespace; the root's own if empty.
    pub namespace: String,
}

/// `headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Headers {
    pub request: Option<HeaderOperations>,
    pub response: Option<HeaderOperations>,
}

/// `headers.request`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HeaderOperations {
    /// Replaces.
    pub set: BTreeMap<String, String>,
    pub add: BTreeMap<String, String>,
    pub remove: Vec<String>,
}

/// One of `http[].match`: all that it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpMatch {
    /// Its name, behind that of the route in access logs.
    #[serde(skip_serializing)]
    pub name: String,
    /// The path.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    pub method: Option<StringMatch>,
    /// The host, with its port.
    pub authority: Option<StringMatch>,
    /// Headers; one without a condition has to be there.
    pub headers: BTreeMap<String, Option<StringMatch>>,
    /// The port that is called.
    pub port: u32,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// At which gateways.
    pub gateways: Vec<String>,
    /// Parameters of the query.
    pub query_params: BTreeMap<String, Option<StringMatch>>,
    /// Whether the case of the path does not matter.
    pub ignore_uri_case: bool,
    /// Headers that must not be so; one without a condition must not be there.
    pub without_headers: BTreeMap<String, Option<StringMatch>>,
    /// The namespace of the caller.
    pub source_namespace: String,
    /// Prefix of statistics.
    pub stat_prefix: String,
}

/// `StringMatch`. It has one of these, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct StringMatch {
    /// All of it.
    pub exact: Option<String>,
    /// Its begin.
    pub prefix: Option<String>,
    /// A regular expression that all of it matches.
    pub regex: Option<String>,
}

/// One of `http[].route`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpRouteDestination {
    /// Where.
    pub destination: Option<Destination>,
    /// Its share of the sum of all weights.
    pub weight: i32,
    /// What headers requests and responses get and lose.
    pub headers: Option<Headers>,
}

/// One of `tls[].route` and `tcp[].route`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RouteDestination {
    /// Where.
    pub destination: Option<Destination>,
    /// Its share of the sum of all weights.
    pub weight: i32,
}

/// `Destination`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// The service.
    pub host: String,
    /// A subset of it, which a DestinationRule names.
    pub subset: String,
    /// Its port, where it has several.
    pub port: Option<PortSelector>,
}

/// `Destination.port`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PortSelector {
    pub number: i64,
}

/// `http[].rewrite`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRewrite {
    /// What replaces the part of the path that matched.
    pub uri: String,
    /// What replaces the host.
    pub authority: String,
    /// What replaces the parts of the path that match.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// `rewrite.uriRegexRewrite`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RegexRewrite {
    /// What is replaced.
    #[serde(rename = "match")]
    pub pattern: String,
    /// By what.
    pub rewrite: String,
}

/// `http[].redirect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRedirect {
    /// The other path.
    pub uri: String,
    /// What replaces the part of the path that matched.
    pub prefix_rewrite: String,
    /// The other host.
    pub authority: String,
    /// The other port.
    pub port: Option<u32>,
    /// Where the other port comes from.
    pub derive_port: Option<RedirectPort>,
    /// The other scheme.
    pub scheme: String,
    /// The status; 301 if 0.
    pub redirect_code: u32,
}

/// `redirect.derivePort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectPort {
    /// What the scheme has.
    FromProtocolDefault,
    /// What is called.
    FromRequestPort,
}

/// `http[].directResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpDirectResponse {
    pub status: u32,
    pub body: Option<HttpBody>,
}

/// `directResponse.body`. It has one of these, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HttpBody {
    /// A text.
    pub string: Option<String>,
    /// Bytes, in base64.
    pub bytes: Option<String>,
}

/// `http[].retries`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRetry {
    /// How often; 0 is never.
    pub attempts: i32,
    /// How long each may take.
    pub per_try_timeout: Option<String>,
    /// After what, with commas; as by default if empty.
    pub retry_on: String,
    /// Whether in other localities.
    pub retry_remote_localities: Option<bool>,
    /// Whether not where it was tried.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// How long between two.
    pub backoff: Option<String>,
}

/// `http[].fault`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpFaultInjection {
    /// Holds requests up.
    pub delay: Option<FaultDelay>,
    /// Answers them.
    pub abort: Option<FaultAbort>,
}

/// `fault.delay`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultDelay {
    /// The older form of `percentage`.
    pub percent: i32,
    /// How long.
    pub fixed_delay: Option<String>,
    /// Not supported by Istio.
    pub exponential_delay: Option<String>,
    /// Which share of the requests.
    pub percentage: Option<Percent>,
}

/// `fault.abort`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultAbort {
    pub http_status: Option<i32>,
    /// The status of gRPC, by its name.
    pub grpc_status: Option<String>,
    /// Not supported by Istio.
    pub http2_error: Option<String>,
    /// Which share of the requests.
    pub percentage: Option<Percent>,
}

/// `Percent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Percent {
    /// Of 100.
    pub value: f64,
}

/// One of `http[].mirrors`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpMirrorPolicy {
    /// Where.
    pub destination: Option<Destination>,
    /// Which share of the requests; all if unset.
    pub percentage: Option<Percent>,
}

/// `http[].corsPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CorsPolicy {
    /// The older form of `allowOrigins`.
    pub allow_origin: Vec<String>,
    /// The origins that may.
    pub allow_origins: Vec<StringMatch>,
    /// The methods that they may use.
    pub allow_methods: Vec<String>,
    /// The headers that they may send.
    pub allow_headers: Vec<String>,
    /// The headers that they may read.
    pub expose_headers: Vec<String>,
    /// How long the answer may be kept.
    pub max_age: Option<String>,
    /// Whether with credentials.
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights of other origins.
    pub unmatched_preflights: UnmatchedPreflights,
}

/// `corsPolicy.unmatchedPreflights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// They go to the app.
    #[default]
    Unspecified,
    /// They go to the app.
    Forward,
    /// The sidecar answers them.
    Ignore,
}

/// One of `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TlsRoute {
    /// What it is for: one of these.
    #[serde(rename = "match")]
    pub matches: Vec<TlsMatch>,
    /// Where connections go.
    pub route: Vec<RouteDestination>,
}

/// One of `tls[].match`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsMatch {
    /// The names that are asked for.
    pub sni_hosts: Vec<String>,
    /// Where connections go to.
    pub destination_subnets: Vec<String>,
    /// The port that is called.
    pub port: u32,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// At which gateways.
    pub gateways: Vec<String>,
    /// The namespace of the caller.
    pub source_namespace: String,
}

/// One of `tcp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TcpRoute {
    /// What it is for: one of these; all if there is none.
    #[serde(rename = "match")]
    pub matches: Vec<L4Match>,
    /// Where connections go.
    pub route: Vec<RouteDestination>,
}

/// One of `tcp[].match`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct L4Match {
    /// Where connections go to.
    pub destination_subnets: Vec<String>,
    /// The port that is called.
    pub port: u32,
    /// Not supported by Istio any more.
    pub source_subnet: String,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// At which gateways.
    pub gateways: Vec<String>,
    /// The namespace of the caller.
    pub source_namespace: String,
}
