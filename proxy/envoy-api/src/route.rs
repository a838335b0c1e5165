//! Routes (`envoy.config.route.v3`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    core::{Metadata, RegexMatcher, StringMatcher},
    header_value::HeaderValueOption,
    route_action::{DirectResponseAction, RedirectAction, RouteAction},
    route_filters::{CORS_FILTER, CorsPolicy, FAULT_FILTER, HttpFault, PerRouteConfig},
};

/// `envoy.config.route.v3.RouteConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfiguration {
    /// Name of the route configuration.
    pub name: String,
    /// Virtual hosts; domains must be unique among them.
    #[serde(default)]
    pub virtual_hosts: Vec<VirtualHost>,
    /// Whether a route to an unknown cluster invalidates the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_clusters: Option<bool>,
    /// Whether the port in a request's `host` is ignored when matching virtual hosts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_port_in_host_matching: bool,
}

/// `envoy.config.route.v3.VirtualHost`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualHost {
    /// Name of the virtual host.
    pub name: String,
    /// Patterns for `host` / `:authority`: exact, `*.suffix`, `prefix.*` or `*`, of which the most specific match counts.
    pub domains: Vec<String>,
    /// Routes, of which the first match counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether upstream requests contain the number of attempts in `x-envoy-attempt-count`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_request_attempt_count: bool,
    /// Which requests without TLS are answered with a redirect to HTTPS.
    #[serde(default, skip_serializing_if = "TlsRequirement::is_none")]
    pub require_tls: TlsRequirement,
}

/// `envoy.config.route.v3.VirtualHost.TlsRequirementType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsRequirement {
    /// None.
    #[default]
    None,
    /// All.
    All,
}

impl TlsRequirement {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// `envoy.config.route.v3.Route`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name in access logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which requests match.
    #[serde(rename = "match")]
    pub matcher: RouteMatch,
    /// Annotations of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Forwards requests to a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteAction>,
    /// Answers requests with another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<RedirectAction>,
    /// Answers requests without an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_response: Option<DirectResponseAction>,
    /// Name of the operation in traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorator: Option<Decorator>,
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
    /// What filters do on this route, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub typed_per_filter_config: BTreeMap<String, PerRouteConfig>,
    /// Prefix of the route's statistics.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stat_prefix: String,
}

impl Route {
    /// What delays and aborts its requests.
    pub fn fault(&self) -> Option<&HttpFault> {
        match self.typed_per_filter_config.get(FAULT_FILTER) {
            Some(PerRouteConfig::Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    /// Which origins may make its requests.
    pub fn cors(&self) -> Option<&CorsPolicy> {
        match self.typed_per_filter_config.get(CORS_FILTER) {
            Some(PerRouteConfig::Cors(policy)) => Some(policy),
            _ => None,
        }
    }
}

/// `envoy.config.route.v3.RouteMatch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    /// Prefix of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whole path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Regular expression that the whole path matches, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_regex: Option<RegexMatcher>,
    /// Prefix of the path that ends at a `/` or at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_separated_prefix: Option<String>,
    /// Whether the case of the path matters (not to `safe_regex`); true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_sensitive: Option<bool>,
    /// Headers that must match, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatcher>,
    /// Parameters of the query that must match, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_parameters: Vec<QueryParameterMatcher>,
}

/// `envoy.config.route.v3.HeaderMatcher`. Without `string_match` and `present_match`, the header must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatcher {
    /// Name of the header.
    pub name: String,
    /// Matches the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_match: Option<StringMatcher>,
    /// Whether the header must be there, or must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present_match: Option<bool>,
    /// Whether what matches does not, and the reverse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invert_match: bool,
    /// Whether a header that is not there is as an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub treat_missing_header_as_empty: bool,
}

/// `envoy.config.route.v3.QueryParameterMatcher`. Without `string_match` and `present_match`, the parameter must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryParameterMatcher {
    /// Name of the parameter.
    pub name: String,
    /// Matches the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_match: Option<StringMatcher>,
    /// Whether the parameter must be there, or must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present_match: Option<bool>,
}

/// `envoy.config.route.v3.Decorator`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decorator {
    /// Name of the operation.
    pub operation: String,
}
