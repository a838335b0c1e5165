//! Retries of requests: Istio's defaults, and those that a VirtualService asks for (`pilot/pkg/networking/core/route/retry`).

use envoy_api::{
    Empty, PreviousPrioritiesConfig, RetryBackOff, RetryHostPredicate, RetryHostPredicateConfig, RetryPolicy,
    RetryPriority, RetryPriorityConfig,
};

use super::traffic_policy::duration;
use crate::model::HttpRetry;

/// The conditions of requests that leave the pod.
const RETRY_OUTBOUND: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

/// Istio's number of retries, on these conditions.
pub(super) fn retry_twice(retry_on: &str) -> RetryPolicy {
    RetryPolicy { retry_on: retry_on.into(), num_retries: Some(2), ..RetryPolicy::default() }
}

/// Istio's retries of requests that leave the pod, each to an endpoint that was not tried before. Where a hash of the request chooses the
/// endpoint, it stays the same one.
fn default_retries(hashes: bool) -> RetryPolicy {
    RetryPolicy {
        retry_host_predicate: if hashes { vec![] } else { other_hosts() },
        host_selection_retry_max_attempts: Some(5),
        ..retry_twice(RETRY_OUTBOUND)
    }
}

fn other_hosts() -> Vec<RetryHostPredicate> {
    vec![RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".into(),
        typed_config: RetryHostPredicateConfig::PreviousHosts(Empty {}),
    }]
}

/// `retry.ConvertPolicy`; Istio's own retries where nothing is asked, and none where no attempts are.
pub(super) fn retries(asked: Option<&HttpRetry>, hashes: bool) -> Option<RetryPolicy> {
    let by_default = default_retries(hashes);
    let Some(asked) = asked else { return Some(by_default) };
    let attempts = u32::try_from(asked.attempts).ok().filter(|attempts| *attempts > 0)?;
    let mut policy = RetryPolicy { num_retries: Some(attempts), ..by_default };
    if !asked.retry_on.is_empty() {
        let (codes, words): (Vec<_>, Vec<_>) =
            asked.retry_on.split(',').map(str::trim).filter(|word| !word.is_empty()).partition(|word| is_status(word));
        policy.retry_on = words.join(",");
        policy.retriable_status_codes = codes.iter().filter_map(|code| code.parse().ok()).collect();
        if !codes.is_empty() && !policy.retry_on.contains("retriable-status-codes") {
            policy.retry_on += ",retriable-status-codes";
        }
    }
    policy.per_try_timeout = duration(asked.per_try_timeout.as_deref());
    policy.retry_back_off =
        duration(asked.backoff.as_deref()).map(|base_interval| RetryBackOff { base_interval, max_interval: None });
    if let Some(others) = asked.retry_ignore_previous_hosts {
        policy.retry_host_predicate = if others { other_hosts() } else { vec![] };
    }
    if asked.retry_remote_localities == Some(true) {
        policy.retry_priority = Some(RetryPriority {
            name: "envoy.retry_priorities.previous_priorities".into(),
            typed_config: RetryPriorityConfig::PreviousPriorities(PreviousPrioritiesConfig { update_frequency: 2 }),
        });
    }
    Some(policy)
}

/// Whether a word of `retryOn` is a status that Go's `http.StatusText` knows.
pub(crate) fn is_status(word: &str) -> bool {
    let known = [100..=103, 200..=208, 226..=226, 300..=305, 307..=308, 400..=418, 421..=426, 428..=429];
    let more = [431..=431, 451..=451, 500..=508, 510..=511];
    word.parse::<u16>().is_ok_and(|code| known.iter().chain(&more).any(|range| range.contains(&code)))
}
