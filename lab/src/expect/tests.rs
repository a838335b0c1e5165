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

#[test]
fn whether_a_proxy_had_dialled_its_app_when_the_handshake_failed_is_open() {
    let mut predicted = account();
    predicted.legs[0].layers = vec![LayerKind::Tls];
    let mut dialled = predicted.legs[0].clone();
    (dialled.leg, dialled.layers, dialled.interface) = (3, vec![], Some("lo".into()));
    dialled.tls.clear();
    predicted.legs.push(dialled);
    let outcome = &mut predicted.outcome;
    (outcome.delivered, outcome.at) = (false, Some(Party::ClientSidecar));
    outcome.reason = Some(Reason::TlsHandshakeFailed);
    let mut too_early = predicted.clone();
    too_early.legs.truncate(1);
    let expected = Expectation::of_prediction(&predicted);
    assert_eq!(expected.differences(&too_early), []);
    // What it sent there is not.
    predicted.legs[1].layers = vec![LayerKind::Tls];
    assert_ne!(expected.differences(&predicted), []);
}
