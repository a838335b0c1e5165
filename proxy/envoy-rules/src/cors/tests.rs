use serde_json::json;

use super::*;

fn decided(method: &str, headers: &[(&'static str, &'static str)], forwards: bool) -> Cors {
    let policy = envoy_api::read_value(json!({
        "allow_origin_string_match": [{"exact": "https://a"}], "allow_methods": "GET", "max_age": "60",
        "expose_headers": "x-b", "allow_credentials": true, "forward_not_matching_preflights": forwards,
    }))
    .expect("a policy");
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    decide(&policy, method, &headers.collect())
}

const PREFLIGHT: [(&str, &str); 2] = [("origin", "https://a"), ("access-control-request-method", "GET")];

#[test]
fn a_preflight_of_an_allowed_origin_is_answered() {
    let Cors::Answered(headers) = decided("OPTIONS", &PREFLIGHT, true) else { panic!("answered") };
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(value("access-control-allow-origin"), Some("https://a"));
    assert_eq!((value("access-control-allow-methods"), value("access-control-max-age")), (Some("GET"), Some("60")));
    assert_eq!(value("access-control-expose-headers"), None);
}

#[test]
fn another_origins_preflight_goes_on_unless_it_is_not_forwarded() {
    let other = [("origin", "https://b"), PREFLIGHT[1]];
    assert_eq!(decided("OPTIONS", &other, true), Cors::Passed(HeaderMap::new()));
    assert_eq!(decided("OPTIONS", &other, false), Cors::Answered(HeaderMap::new()));
}

#[test]
fn other_requests_go_on_and_their_responses_say_whose_they_are() {
    let Cors::Passed(headers) = decided("GET", &PREFLIGHT[..1], true) else { panic!("passed") };
    assert_eq!(headers.get("access-control-expose-headers").and_then(|value| value.to_str().ok()), Some("x-b"));
    assert_eq!(decided("GET", &[], true), Cors::Passed(HeaderMap::new()));
}
