use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures::account;

fn expectation(yaml: &str) -> Expectation {
    serde_saphyr::from_str(yaml).unwrap()
}

fn differences(yaml: &str) -> Vec<String> {
    expectation(yaml).differences(&account()).iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_expected_may_be_anything() {
    assert_eq!(differences("{legs: {2: {layers: [mtls, http/1.1]}}, outcome: {delivered: true}}"), [""; 0]);
}

#[test]
fn a_leg_that_carried_something_else_differs() {
    let found = differences("{legs: {2: {layers: [http/1.1], tls: {sni: b}}}}");
    assert_eq!(found, ["leg 2 layers: expected [http/1.1], found [mtls, http/1.1]", "leg 2 SNI: expected b, found a"]);
}

#[test]
fn a_leg_that_is_not_there_carried_nothing() {
    assert_eq!(differences("{legs: {3: {layers: []}}}"), [""; 0]);
    assert_eq!(differences("{legs: {3: {layers: [tcp]}}}"), ["leg 3 layers: expected [tcp], found []"]);
}

#[test]
fn an_expected_refusal_that_was_served_differs_in_each_field() {
    let found = differences("{outcome: {delivered: false, at: server sidecar, reason: no_filter_chain_match}}");
    assert_eq!(
        found,
        [
            "delivered: expected false, found true",
            "refused at: expected server sidecar, found nothing",
            "reason: expected no_filter_chain_match, found nothing"
        ]
    );
}
