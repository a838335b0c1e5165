use serde_json::{Value, json};

use super::disabled;

#[track_caller]
fn check(predicate: Value, disabled_ports: &[u16], enabled_ports: &[u16]) {
    let predicate = envoy_api::read_value(predicate).expect("a predicate");
    let at = |port: u16| disabled(&predicate, ([10, 0, 0, 1], port).into());
    assert!(disabled_ports.iter().all(|&port| at(port)), "a port of {disabled_ports:?} is not disabled");
    assert!(!enabled_ports.iter().any(|&port| at(port)), "a port of {enabled_ports:?} is disabled");
}

fn port(port: u16) -> Value {
    json!({"destination_port_range": {"start": port, "end": port + 1}})
}

#[test]
fn a_range_includes_its_start_and_excludes_its_end() {
    check(json!({"destination_port_range": {"start": 80, "end": 82}}), &[80, 81], &[79, 82]);
}

#[test]
fn the_last_port_can_be_matched() {
    check(json!({"destination_port_range": {"start": 65535, "end": 65536}}), &[65535], &[0, 65534]);
}

#[test]
fn or_needs_any_and_needs_all_not_negates() {
    check(json!({"or_match": {"rules": [port(80), port(81)]}}), &[80, 81], &[82]);
    check(json!({"and_match": {"rules": [port(80), {"any_match": true}]}}), &[80], &[81]);
    check(json!({"not_match": {"or_match": {"rules": [port(80), port(81)]}}}), &[82], &[80, 81]);
}

#[test]
fn any_match_always_has_its_value() {
    check(json!({"any_match": true}), &[1, 65535], &[]);
    check(json!({"any_match": false}), &[], &[1, 65535]);
}
