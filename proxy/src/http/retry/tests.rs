use serde_json::json;

use super::*;
use crate::outcome::ConnectError;

/// Istio's default for outbound routes.
const ISTIO: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

fn policy(retry_on: &str) -> RetryPolicy {
    let configured = json!({"retry_on": retry_on, "num_retries": 2, "retriable_status_codes": [503]});
    RetryPolicy::new(&envoy_api::read_value(configured).unwrap()).unwrap()
}

#[test]
fn istios_default_retries_what_never_reached_the_app() {
    let policy = policy(ISTIO);
    assert!(policy.retries_failure(&Outcome::ConnectFailed(ConnectError::Timeout), false));
    assert!(policy.retries_failure(&Outcome::UpstreamReset(UpstreamReset::RemoteRefused), true));
    assert!(!policy.retries_failure(&Outcome::UpstreamReset(UpstreamReset::ConnectionTermination), true));
    assert!(!policy.retries_failure(&Outcome::NoHealthyUpstream, false));
}

#[test]
fn istios_default_retries_503_and_grpcs_unavailable() {
    let policy = policy(ISTIO);
    let grpc =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), http::HeaderValue::from_static("14"))]);
    assert!(policy.retries_response(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new()));
    assert!(!policy.retries_response(StatusCode::BAD_GATEWAY, &HeaderMap::new()));
    assert!(policy.retries_response(StatusCode::OK, &grpc));
    assert!(!policy.retries_response(StatusCode::OK, &HeaderMap::new()));
}

#[test]
fn a_reset_before_the_request_is_not_one_after_it() {
    let policy = policy("reset-before-request");
    let reset = Outcome::UpstreamReset(UpstreamReset::ConnectionTermination);
    assert!(policy.retries_failure(&reset, false));
    assert!(!policy.retries_failure(&reset, true));
}

#[test]
fn waits_double_and_have_a_bound() {
    let policy = policy("5xx");
    for (retry, bound) in [(1, 25), (2, 75), (3, 175), (4, 250), (40, 250)] {
        for _ in 0..50 {
            assert!(policy.back_off(retry) < Duration::from_millis(bound), "retry {retry}");
        }
    }
}

#[test]
fn an_unknown_condition_is_refused_by_name() {
    let configured = json!({"retry_on": "5xx,nope"});
    let error = RetryPolicy::new(&envoy_api::read_value(configured).unwrap()).unwrap_err();
    assert_eq!(error, "retry_on: nope is not supported");
}
