//! Routes (`envoy.config.route.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    access_log::TextFormat,
    core::{Empty, ProtoDuration, StringMatcher},
    typed::any_of,
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
    pub routes: Vec<Route>,
    /// Whether upstream requests contain the number of attempts in `x-envoy-attempt-count`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_request_attempt_count: bool,
}

/// `envoy.config.route.v3.Route`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name in access logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which requests match.
    #[serde(rename = "match")]
    pub matcher: RouteMatch,
    /// Forwards requests to a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteAction>,
    /// Answers requests without an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_response: Option<DirectResponseAction>,
    /// Name of the operation in traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorator: Option<Decorator>,
}

/// `envoy.config.route.v3.RouteMatch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatch {
    /// Prefix of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Whole path, without the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Headers that must match, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatcher>,
}

/// `envoy.config.route.v3.HeaderMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatcher {
    /// Name of the header.
    pub name: String,
    /// Matches the value.
    pub string_match: StringMatcher,
}

/// `envoy.config.route.v3.RouteAction`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteAction {
    /// Name of the cluster.
    pub cluster: String,
    /// Timeout for the whole response; 15 s if unset, 0 disables it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ProtoDuration>,
    /// When and how often a request is retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<RetryPolicy>,
}

/// `envoy.config.route.v3.RetryPolicy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Conditions, separated by commas, such as `connect-failure,refused-stream`.
    pub retry_on: String,
    /// Maximum number of retries; 1 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_retries: Option<u32>,
    /// Status codes for `retriable-status-codes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retriable_status_codes: Vec<u16>,
    /// Delays between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_back_off: Option<RetryBackOff>,
    /// Endpoints that a retry passes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry_host_predicate: Vec<RetryHostPredicate>,
    /// How often an endpoint is chosen again because of a predicate; 1 if unset.
    #[serde(default, with = "int64", skip_serializing_if = "Option::is_none")]
    pub host_selection_retry_max_attempts: Option<i64>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryHostPredicate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryHostPredicate {
    /// Its name.
    pub name: String,
    /// What it is.
    pub typed_config: RetryHostPredicateConfig,
}

any_of! {
    /// Which endpoints a retry passes over.
    RetryHostPredicateConfig {
        /// Those that the request was sent to before.
        PreviousHosts(Empty) = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    }
}

/// A 64-bit number, which protobuf's JSON writes as a string and reads as either.
mod int64 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use serde_json::Value;

    #[allow(clippy::ref_option)] // serde's signature
    pub(super) fn serialize<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| D::Error::custom("expected a whole number"))
    }
}

/// `envoy.config.route.v3.RetryPolicy.RetryBackOff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryBackOff {
    /// Upper bound of the first delay, which doubles with each retry.
    pub base_interval: ProtoDuration,
    /// Upper bound of all delays; ten times the base interval if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<ProtoDuration>,
}

/// `envoy.config.route.v3.DirectResponseAction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectResponseAction {
    /// HTTP status code.
    pub status: u16,
    /// Response body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<TextFormat>,
}

/// `envoy.config.route.v3.Decorator`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decorator {
    /// Name of the operation.
    pub operation: String,
}
