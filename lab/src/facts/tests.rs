use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures::account;

fn found(yaml: &str) -> Vec<String> {
    let expectation: Expectation = serde_saphyr::from_str(yaml).unwrap();
    differences(&expectation, &account()).iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_without_an_expectation_can_have_any_value() {
    assert_eq!(found("{legs: {2: {layers: [mtls, http/1.1]}}, outcome: {delivered: true}}"), [""; 0]);
}

#[test]
fn a_leg_that_carried_something_else_differs() {
    let found = found("{legs: {2: {layers: [http/1.1], tls: {sni: b}}}}");
    assert_eq!(found, ["leg 2 layers: expected [http/1.1], found [mtls, http/1.1]", "leg 2 SNI: expected b, found a"]);
}

#[test]
fn a_leg_that_is_not_there_carried_nothing() {
    assert_eq!(found("{legs: {3: {layers: []}}}"), [""; 0]);
    assert_eq!(found("{legs: {3: {layers: [tcp]}}}"), ["leg 3 layers: expected [tcp], found []"]);
}

#[test]
fn an_expected_refusal_that_was_served_differs_in_each_field() {
    let found = found("{outcome: {delivered: false, at: server sidecar, reason: no_filter_chain_match}}");
    assert_eq!(
        found,
        [
            "delivered: expected false, found true",
            "refused at: expected server sidecar, found nothing",
            "reason: expected no_filter_chain_match, found nothing"
        ]
    );
}

#[test]
fn an_empty_list_matches_an_absent_value() {
    assert_eq!(found("{legs: {2: {tls: [{}, {alpn_offered: []}]}}}"), [""; 0]);
    assert_eq!(
        found("{legs: {2: {tls: [{}, {alpn_offered: [h2]}]}}}"),
        ["leg 2 ALPN offered of TLS layer 2: expected [h2], found nothing"]
    );
}

#[test]
fn fields_are_in_the_order_of_the_call() {
    let names: Vec<String> = of_account(&account()).keys().map(ToString::to_string).collect();
    let places = ["leg 1 layers", "leg 2 layers", "leg 2 SNI", "leg 3 layers", "read by", "app sees"];
    let places = places.map(|name| names.iter().position(|other| other == name).unwrap());
    assert!(places.is_sorted(), "{names:?}");
}

#[test]
fn names_are_compared_without_regard_to_case() {
    assert_eq!(found("{legs: {2: {tls: {sni: A}}}}"), [""; 0]);
}

#[test]
fn all_ways_to_end_a_connection_are_equal() {
    let mut ended = account();
    ended.outcome.app_sees = "eof".into();
    let expected =
        |word: &str| -> Expectation { serde_saphyr::from_str(&format!("{{outcome: {{app_sees: {word}}}}}")).unwrap() };
    assert_eq!(differences(&expected("connection_reset"), &ended), []);
    assert_ne!(differences(&expected("timeout"), &ended), []);
}

#[test]
fn a_request_inside_a_rejected_handshake_is_optional() {
    let expectation: Expectation = serde_saphyr::from_str("{legs: {2: {layers: [mtls]}}}").unwrap();
    let mut refused = account();
    assert_ne!(differences(&expectation, &refused), []);
    (refused.outcome.at, refused.outcome.reason) = (Some(Party::ServerSidecar), Some(Reason::TlsHandshakeFailed));
    assert_eq!(differences(&expectation, &refused), []);
}
