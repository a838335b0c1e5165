//! What a route does with a request (`envoy.config.route.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    core::{ProtoDuration, RegexMatcher},
    header_value::HeaderValueOption,
    percent::RuntimeFractionalPercent,
    route_retry::RetryPolicy,
};

/// `envoy.config.route.v3.RouteAction`. It has `cluster` or `weighted_clusters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteAction {
    /// Name of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Clusters of which one is chosen by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weighted_clusters: Option<WeightedCluster>,
    /// What replaces the matched prefix or path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix_rewrite: String,
    /// What replaces the parts of the path that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex_rewrite: Option<RegexMatchAndSubstitute>,
    /// What replaces the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_rewrite_literal: String,
    /// Whether the host before the rewrite goes into `x-forwarded-host`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_x_forwarded_host: bool,
    /// Timeout for the whole response; 15 s if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ProtoDuration>,
    /// The same for gRPC, whose requests say in `grpc-timeout` what they have: the upper bound of that, 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grpc_timeout: Option<ProtoDuration>,
    /// When and how often a request is retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
    /// Who else gets the request, without an answer being awaited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_mirror_policies: Vec<RequestMirrorPolicy>,
    /// By what an endpoint is chosen, where the cluster chooses by a hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash_policy: Vec<HashPolicy>,
}

impl RouteAction {
    /// The clusters of which one gets a request, each with its weight; one alone has 100.
    pub fn clusters(&self) -> Vec<(&str, u32)> {
        match &self.weighted_clusters {
            Some(weighted) => weighted.clusters.iter().map(|one| (one.name.as_str(), one.weight)).collect(),
            None => vec![(self.cluster.as_str(), 100)],
        }
    }
}

/// `envoy.config.route.v3.WeightedCluster`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightedCluster {
    pub clusters: Vec<ClusterWeight>,
}

/// `envoy.config.route.v3.WeightedCluster.ClusterWeight`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterWeight {
    /// Name of the cluster.
    pub name: String,
    /// Its share of the sum of all weights.
    #[serde(default)]
    pub weight: u32,
    /// What replaces the host; the route's takes precedence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_rewrite_literal: String,
    /// Headers that requests get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers_to_add: Vec<HeaderValueOption>,
    /// Headers that requests lose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers_to_remove: Vec<String>,
    /// Headers that responses get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
    /// Headers that responses lose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers_to_remove: Vec<String>,
}

/// `envoy.type.matcher.v3.RegexMatchAndSubstitute`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegexMatchAndSubstitute {
    /// What is replaced.
    pub pattern: RegexMatcher,
    /// By what: `\1` is the first group, `\0` all.
    #[serde(default)]
    pub substitution: String,
}

/// `envoy.config.route.v3.RouteAction.RequestMirrorPolicy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestMirrorPolicy {
    /// Name of the cluster.
    pub cluster: String,
    /// Which share of the requests; all if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_fraction: Option<RuntimeFractionalPercent>,
    /// Whether the copy is traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_sampled: Option<bool>,
    /// Whether the copy's host is left without `-shadow`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_shadow_host_suffix_append: bool,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy`. It has one of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashPolicy {
    Header(HashHeader),
    Cookie(HashCookie),
    /// By the caller's address.
    ConnectionProperties(HashConnectionProperties),
    /// By a parameter of the query.
    QueryParameter(HashQueryParameter),
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.Header`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashHeader {
    pub header_name: String,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.Cookie`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashCookie {
    pub name: String,
    /// How long it lives, if the sidecar makes it, which it does where this is set; 0 is as long as the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<ProtoDuration>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Its other attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<HashCookieAttribute>,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashCookieAttribute {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashConnectionProperties {
    /// Whether the caller's address counts.
    #[serde(default)]
    pub source_ip: bool,
}

/// `envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashQueryParameter {
    pub name: String,
}

/// `envoy.config.route.v3.RedirectAction`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectAction {
    /// The other host; the request's if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_redirect: String,
    /// The other port; 0 is none, where the host or the scheme is another, else the request's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub port_redirect: u32,
    /// The other path, maybe with a query; the request's if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path_redirect: String,
    /// What replaces the matched prefix of the path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix_rewrite: String,
    /// The other scheme.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scheme_redirect: String,
    /// Whether the scheme becomes `https`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub https_redirect: bool,
    /// The status.
    #[serde(default)]
    pub response_code: RedirectResponseCode,
    /// Whether the query is dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strip_query: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// `envoy.config.route.v3.RedirectAction.RedirectResponseCode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectResponseCode {
    /// 301.
    #[default]
    MovedPermanently,
    /// 302.
    Found,
    /// 303.
    SeeOther,
    /// 307.
    TemporaryRedirect,
    /// 308.
    PermanentRedirect,
}

impl RedirectResponseCode {
    pub fn status(self) -> u16 {
        match self {
            Self::MovedPermanently => 301,
            Self::Found => 302,
            Self::SeeOther => 303,
            Self::TemporaryRedirect => 307,
            Self::PermanentRedirect => 308,
        }
    }
}

/// `envoy.config.route.v3.DirectResponseAction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectResponseAction {
    /// HTTP status code.
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<DirectResponseBody>,
}

/// `envoy.config.core.v3.DataSource`, in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectResponseBody {
    /// A text.
    InlineString(String),
    /// Bytes, in base64.
    InlineBytes(String),
}
