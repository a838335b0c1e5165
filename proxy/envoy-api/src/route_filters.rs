//! What HTTP filters do on single routes: faults (`envoy.extensions.filters.http.fault.v3`) and CORS
//! (`envoy.extensions.filters.http.cors.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    core::{ProtoDuration, StringMatcher},
    percent::{FractionalPercent, RuntimeFractionalPercent},
    typed::any_of,
};

/// The name of the filter that delays and aborts requests.
pub const FAULT_FILTER: &str = "envoy.filters.http.fault";
/// The name of the filter that answers for CORS.
pub const CORS_FILTER: &str = "envoy.filters.http.cors";

any_of! {
    /// The supported values of a route's `typed_per_filter_config`.
    PerRouteConfig {
        /// Delays and aborts requests.
        Fault(HttpFault) = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        /// Answers for CORS.
        Cors(CorsPolicy) = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
    }
}

/// `envoy.extensions.filters.http.fault.v3.HTTPFault`, of a route, or of a filter for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpFault {
    /// Holds requests up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<FaultDelay>,
    /// Answers requests itself, after the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<FaultAbort>,
}

/// `envoy.extensions.filters.common.fault.v3.FaultDelay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultDelay {
    /// For how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_delay: Option<ProtoDuration>,
    /// Which share of the requests; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<FractionalPercent>,
}

/// `envoy.extensions.filters.http.fault.v3.FaultAbort`. It has one of the statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultAbort {
    /// Status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Status of the answer to gRPC; others get the status of HTTP that corresponds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u32>,
    /// Which share of the requests; none if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<FractionalPercent>,
}

/// `envoy.extensions.filters.http.cors.v3.Cors`: the filter itself, which does what routes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {}

/// `envoy.extensions.filters.http.cors.v3.CorsPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorsPolicy {
    /// The origins that may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_origin_string_match: Vec<StringMatcher>,
    /// `access-control-allow-methods`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub allow_methods: String,
    /// `access-control-allow-headers`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub allow_headers: String,
    /// `access-control-expose-headers`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expose_headers: String,
    /// `access-control-max-age`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub max_age: String,
    /// `access-control-allow-credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// For which share of the requests it is in force; all if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_enabled: Option<RuntimeFractionalPercent>,
    /// Whether a preflight of another origin goes on to the app; true if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_not_matching_preflights: Option<bool>,
}
