use http::HeaderValue;
use serde_json::{Value, json};

use super::*;

fn matches(matcher: Value, headers: &[(&'static str, &'static str)]) -> bool {
    let matcher = HeaderMatch::new(&envoy_api::read_value(matcher).expect("a matcher")).expect("a matcher");
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    matcher.matches(&RequestHead { authority: "a", path: "/", method: "GET", scheme: "http", headers: &all })
}

#[test]
fn a_missing_header_matches_only_its_absence() {
    let text = json!({"name": "x", "string_match": {"exact": "a"}});
    assert!(!matches(text, &[]));
    let inverted = json!({"name": "x", "string_match": {"exact": "a"}, "invert_match": true});
    assert!(!matches(inverted.clone(), &[]) && matches(inverted, &[("x", "b")]));
    let absent = json!({"name": "x", "present_match": true, "invert_match": true});
    assert!(matches(absent.clone(), &[]) && !matches(absent, &[("x", "")]));
    assert!(matches(json!({"name": "x", "present_match": false}), &[]));
}

#[test]
fn a_missing_header_may_be_as_an_empty_one() {
    let without = json!({"name": "x", "string_match": {"exact": "a"}, "invert_match": true, "treat_missing_header_as_empty": true});
    assert!(
        matches(without.clone(), &[]) && matches(without.clone(), &[("x", "b")]) && !matches(without, &[("x", "a")])
    );
}

#[test]
fn the_scheme_can_be_matched() {
    assert!(matches(json!({"name": ":scheme", "string_match": {"exact": "http"}}), &[]));
}

#[test]
fn the_first_parameter_of_a_name_counts() {
    let query = |matcher: Value, path: &str| {
        QueryMatch::new(&envoy_api::read_value(matcher).expect("a matcher")).expect("a matcher").matches(path)
    };
    let exact = json!({"name": "q", "string_match": {"exact": "1"}});
    assert!(query(exact.clone(), "/?q=1&q=2") && !query(exact.clone(), "/?q=2&q=1") && !query(exact, "/?r=1"));
    let present = json!({"name": "q", "present_match": true});
    assert!(query(present.clone(), "/?q") && !query(present, "/?qq"));
    assert!(query(json!({"name": "q", "string_match": {"safe_regex": {"regex": "[0-9]+"}}}), "/a?b=c&q=42"));
}
