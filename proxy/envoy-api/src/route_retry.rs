//! Retries (`envoy.config.route.v3`).

use serde::{Deserialize, Serialize};

use crate::{
    core::{Empty, ProtoDuration},
    typed::any_of,
    wide,
};

/// `envoy.config.route.v3.RetryPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Timeout of each attempt; only the route's if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<ProtoDuration>,
    /// Which localities a retry goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_priority: Option<RetryPriority>,
    /// Delays between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_back_off: Option<RetryBackOff>,
    /// Endpoints that a retry passes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retry_host_predicate: Vec<RetryHostPredicate>,
    /// How often an endpoint is chosen again because of a predicate; 1 if unset.
    #[serde(default, with = "wide", skip_serializing_if = "Option::is_none")]
    pub host_selection_retry_max_attempts: Option<i64>,
}

/// `envoy.config.route.v3.RetryPolicy.RetryHostPredicate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryHostPredicate {
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

/// `envoy.config.route.v3.RetryPolicy.RetryPriority`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPriority {
    pub name: String,
    /// What it is.
    pub typed_config: RetryPriorityConfig,
}

any_of! {
    /// What decides the locality of a retry.
    RetryPriorityConfig {
        /// One that was not tried before. All endpoints are in one here.
        PreviousPriorities(PreviousPrioritiesConfig) = "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
    }
}

/// `envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousPrioritiesConfig {
    /// After how many attempts the choice is made anew.
    #[serde(default)]
    pub update_frequency: i32,
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
