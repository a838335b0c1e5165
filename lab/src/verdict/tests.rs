use std::net::SocketAddr;

use mesh::account::LayerKind;
use pretty_assertions::assert_eq;

use super::*;
use crate::fixtures;

fn expectation() -> Expectation {
    serde_saphyr::from_str("{legs: {2: {layers: [mtls, http/1.1]}}, outcome: {delivered: true}}").unwrap()
}

fn seen(accounts: [(DataPlane, Account); 2]) -> BTreeMap<DataPlane, Seen> {
    accounts.into_iter().map(|(plane, account)| (plane, fixtures::seen(account))).collect()
}

#[test]
fn accounts_that_agree_make_a_good_verdict() {
    let account = fixtures::account();
    let seen = seen([(DataPlane::Native, account.clone()), (DataPlane::Envoy, account.clone())]);
    assert_eq!(
        Verdict::compare_one(&expectation(), Some(&account), &seen),
        Verdict { agrees: true, disagreements: vec![] }
    );
}

#[test]
fn a_data_plane_that_sends_plaintext_on_leg_2_disagrees_with_the_expectation() {
    let account = fixtures::account();
    let mut broken = account.clone();
    broken.legs[0].layers = vec![LayerKind::Http1];
    let seen = seen([(DataPlane::Native, broken), (DataPlane::Envoy, account.clone())]);
    let verdict = Verdict::compare_one(&expectation(), Some(&account), &seen);
    assert!(!verdict.agrees);
    let reported: Vec<String> = verdict.disagreements.iter().map(ToString::to_string).collect();
    assert_eq!(reported, ["leg 2 layers: expected [mtls, http/1.1], native [http/1.1]"]);
}

#[test]
fn a_field_without_an_expectation_is_compared_with_the_prediction() {
    let account = fixtures::account();
    let mut other = account.clone();
    other.outcome.details = "something_else".into();
    let seen = seen([(DataPlane::Native, account.clone()), (DataPlane::Envoy, other)]);
    let verdict = Verdict::compare_one(&expectation(), Some(&account), &seen);
    assert!(!verdict.agrees);
    assert_eq!(verdict.disagreements[0].account, Judge::Seen(DataPlane::Envoy));
    assert_eq!(verdict.disagreements[0].against, Judge::Predicted);
    assert_eq!(verdict.disagreements[0].to_string(), "details: predicted via_upstream, envoy something_else");
}

/// A call whose leg 2 is to one of these addresses, with this one chosen.
fn to(dials: &str, may_dial: &[&str]) -> Account {
    let mut account = fixtures::account();
    let dials: SocketAddr = dials.parse().unwrap();
    let leg = &mut account.legs[0];
    (leg.dials, leg.source) =
        (Some(dials), Some(if dials.is_ipv4() { "10.0.0.1" } else { "fd00::1" }.parse().unwrap()));
    leg.may_dial = may_dial.iter().map(|address| address.parse().unwrap()).collect();
    account
}

/// Whether a verdict is good when 203.0.113.1 is expected, from 10.0.0.1.
fn agrees(ways: &[Account], dialled: &str) -> bool {
    let yaml = "{legs: {2: {layers: [mtls, http/1.1], dials: '203.0.113.1:443', source: 10.0.0.1}}, outcome: {delivered: true}}";
    let expected = serde_saphyr::from_str(yaml).unwrap();
    let seen = [(DataPlane::Envoy, fixtures::seen(to(dialled, &[])))].into();
    Verdict::compare(&expected, Beside::default(), ways, &seen).1.agrees
}

#[test]
fn an_expected_address_stands_for_all_that_may_be_dialled_in_its_place() {
    const BOTH: [&str; 2] = ["203.0.113.1:443", "[2001:db8::1]:443"];
    let open = BOTH.map(|address| to(address, &BOTH));
    assert!(BOTH.iter().all(|address| agrees(&open, address)));
    assert!(!agrees(&open, "203.0.113.9:443"), "an address that may not be dialled");
    let fixed = [to(BOTH[0], &[])];
    assert!(agrees(&fixed, BOTH[0]));
    assert!(!agrees(&fixed, BOTH[1]), "nothing is left open");
    let without_the_expected = [to(BOTH[1], &[BOTH[1], "[2001:db8::2]:443"])];
    assert!(!agrees(&without_the_expected, BOTH[1]), "the expected address may not be dialled");
}

#[test]
fn a_call_that_was_not_seen_does_not_agree() {
    let verdict = Verdict::compare_one(&expectation(), Some(&fixtures::account()), &BTreeMap::new());
    assert!(!verdict.agrees);
}
