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

#[test]
fn a_call_that_was_not_seen_does_not_agree() {
    let verdict = Verdict::compare_one(&expectation(), Some(&fixtures::account()), &BTreeMap::new());
    assert!(!verdict.agrees);
}
