use serde_json::{Value, json};

use super::*;

fn matcher(fields: Value) -> Result<StringMatcher, String> {
    envoy_api::read_value(fields).map_err(|error| error.to_string())
}

#[test]
fn each_pattern_matches_as_named() {
    for (fields, text, expected) in [
        (json!({"exact": "a"}), "a", true),
        (json!({"exact": "a"}), "ab", false),
        (json!({"exact": ""}), "", true),
        (json!({"exact": ""}), "a", false),
        (json!({"prefix": "spiffe://td/"}), "spiffe://td/ns/x", true),
        (json!({"prefix": "spiffe://td/"}), "spiffe://td2/ns/x", false),
        (json!({"suffix": "/sa/a"}), "spiffe://td/sa/a", true),
        (json!({"suffix": "/sa/a"}), "spiffe://td/sa/ab", false),
        (json!({"contains": "ns/x"}), "td/ns/x/y", true),
        (json!({"contains": "ns/x"}), "td/ns/y", false),
    ] {
        assert_eq!(matches(&matcher(fields.clone()).unwrap(), text), expected, "{fields} {text}");
    }
}

#[test]
fn case_is_ignored_only_if_configured_and_only_for_ascii_letters() {
    let folded = |exact: &str| matcher(json!({"exact": exact, "ignore_case": true})).unwrap();
    assert!(matches(&folded("A.example"), "a.EXAMPLE"));
    assert!(!matches(&folded("\u{c4}"), "\u{e4}"));
    assert!(!matches(&matcher(json!({"exact": "A"})).unwrap(), "a"));
}

#[test]
fn a_matcher_without_a_pattern_or_with_two_is_refused() {
    for fields in [json!({}), json!({"ignore_case": true}), json!({"exact": "a", "prefix": "a"})] {
        let error = matcher(fields).unwrap_err();
        assert!(error.contains("expected one of `exact`, `prefix`, `suffix`, `contains` and `safe_regex`"), "{error}");
    }
    for pattern in ["prefix", "suffix", "contains"] {
        let error = matcher(json!({pattern: ""})).unwrap_err();
        assert!(error.contains("the pattern is empty"), "{error}");
    }
}
