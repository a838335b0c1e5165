use serde_json::json;

use super::*;
use crate::outcome::ConnectError;

/// Istio's default for outbound routes.
const ISTIO: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

fn configured(retry_on: &str) -> envoy_api::RetryPolicy {
    let configured = json!({"retry_on": retry_on, "num_retries": 2, "retriable_status_codes": [503]});
    envoy_api::read_value(configured).unwrap()
}

fn policy(retry_on: &str) -> RetryPolicy {
    RetryPolicy::new(&configured(retry_on))
}

#[test]
fn istios_default_retries_requests_that_never_reached_the_app() {
    let policy = policy(ISTIO);
    assert!(policy.retries_failure(&Outcome::ConnectFailed(ConnectError::Timeout), false));
    assert!(policy.retries_failure(&Outcome::UpstreamReset(UpstreamReset::RemoteRefused), true));
    assert!(!policy.retries_failure(&Outcome::UpstreamReset(UpstreamReset::ConnectionTermination), true));
    assert!(!policy.retries_failure(&Outcome::NoHealthyUpstream, false));
}

#[test]
fn istios_default_retries_503_and_grpcs_unavailable() {
    let policy = policy(ISTIO);
    assert!(policy.retries_response(503, None));
    assert!(!policy.retries_response(502, None));
    assert!(policy.retries_response(200, Some(b"14")));
    assert!(!policy.retries_response(200, Some(b"0")));
    assert!(!policy.retries_response(200, None));
}

#[test]
fn a_gateway_error_is_a_status_from_502_to_504() {
    let policy = policy("gateway-error");
    assert_eq!(
        [501, 502, 503, 504, 505].map(|status| policy.retries_response(status, None)),
        [false, true, true, true, false]
    );
}

/// Expected values are Envoy 1.40's, one condition at a time, as checked by `proxy/envoy-rules/tests/envoy_decides.rs`.
#[test]
fn each_condition_retries_what_envoy_retries() {
    let connect = Outcome::ConnectFailed(ConnectError::Refused("".into()));
    let protocol = Outcome::UpstreamReset(UpstreamReset::ProtocolError);
    let closed = Outcome::UpstreamReset(UpstreamReset::ConnectionTermination);
    // no connection, protocol error, closed after the request, 500, 503, 409, gRPC's 14
    for (condition, expected) in [
        ("5xx", [true, true, true, true, true, false, false]),
        ("gateway-error", [true, true, true, false, true, false, false]),
        ("reset", [true, true, true, false, false, false, false]),
        ("reset-before-request", [true, false, false, false, false, false, false]),
        ("connect-failure", [true, false, false, false, false, false, false]),
        ("refused-stream", [false; 7]),
        ("retriable-4xx", [false, false, false, false, false, true, false]),
        ("retriable-status-codes", [false, false, false, false, true, false, false]),
        ("unavailable", [false, false, false, false, false, false, true]),
    ] {
        let policy = policy(condition);
        let actual = [
            policy.retries_failure(&connect, false),
            policy.retries_failure(&protocol, true),
            policy.retries_failure(&closed, true),
            policy.retries_response(500, None),
            policy.retries_response(503, None),
            policy.retries_response(409, None),
            policy.retries_response(200, Some(b"14")),
        ];
        assert_eq!(actual, expected, "{condition}");
    }
}

#[test]
fn timeouts_and_missing_endpoints_are_never_retried() {
    let all = policy("5xx,gateway-error,reset,connect-failure,retriable-status-codes");
    for outcome in [Outcome::ResponseTimeout, Outcome::StreamIdle, Outcome::NoHealthyUpstream, Outcome::NoCluster] {
        assert!(!all.retries_failure(&outcome, true) && !all.retries_failure(&outcome, false), "{outcome:?}");
    }
}

#[test]
fn a_reset_before_the_request_is_distinguished_from_one_after_it() {
    let policy = policy("reset-before-request");
    let reset = Outcome::UpstreamReset(UpstreamReset::ConnectionTermination);
    assert!(policy.retries_failure(&reset, false));
    assert!(!policy.retries_failure(&reset, true));
}

#[test]
fn the_bound_of_delays_doubles_up_to_ten_times_the_base_interval() {
    let policy = policy("5xx");
    for (retry, bound) in [(1, 25), (2, 75), (3, 175), (4, 250), (40, 250)] {
        assert_eq!(policy.back_off(retry), Duration::from_millis(bound), "retry {retry}");
    }
}

#[test]
fn an_unknown_condition_is_reported() {
    assert_eq!(RetryPolicy::unsupported(&configured("5xx, nope")), Some("nope"));
    assert_eq!(RetryPolicy::unsupported(&configured(ISTIO)), None);
}

#[test]
fn the_default_is_one_retry() {
    let configured: envoy_api::RetryPolicy = envoy_api::read_value(json!({"retry_on": "5xx"})).unwrap();
    assert_eq!(RetryPolicy::new(&configured).retries, 1);
}
