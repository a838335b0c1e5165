use std::{collections::BTreeMap, time::Duration};

use mesh::{
    account::LayerKind,
    model::{Family, Flavor},
};
use pretty_assertions::assert_eq;

use super::*;
use crate::{expect::Expectation, fixtures, verdict::Verdict};

fn report(native: Account) -> RunReport {
    let expected: Expectation =
        serde_saphyr::from_str("{legs: {2: {layers: [mtls, http/1.1]}}, outcome: {delivered: true}}").unwrap();
    let predicted = fixtures::account();
    let seen = BTreeMap::from([(DataPlane::Native, fixtures::seen(native))]);
    let verdict = Verdict::of(&expected, Some(&predicted), &seen);
    let probe = ProbeReport {
        scenario: "strict".into(),
        title: "A plaintext app".into(),
        probe: "a call with a name that does not fit its column".into(),
        mesh: predicted.mesh,
        cell: None,
        claims: vec!["C4".into()],
        signatures: vec![],
        url: "http://server:8080".into(),
        family: Family::Ipv4,
        expected,
        predicted: Some(predicted),
        seen,
        verdict,
    };
    RunReport::new(jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(1), vec![probe])
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let text = plain(&render(&report(fixtures::account())));
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?}\n{text}");
}

#[test]
fn a_good_row_has_its_mark_legs_and_what_the_app_sees() {
    let text = plain(&render(&report(fixtures::account())));
    let row = text.lines().find(|line| line.starts_with('✓')).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[words.len() - 6..], ["istio", "-", "mtls", "http/1.1", "-", "200"]);
    assert!(text.contains("1 of 1 calls agree"), "{text}");
}

#[test]
fn a_bad_row_says_below_what_differs() {
    let mut broken = fixtures::account();
    broken.legs[0].layers = vec![LayerKind::Http1];
    let text = plain(&render(&report(broken)));
    assert!(text.contains("0 of 1 calls agree"), "{text}");
    assert!(text.contains("    leg 2 layers: expected [mtls, http/1.1], native [http/1.1]"), "{text}");
    assert!(text.contains("C4 ✗"), "{text}");
}

#[test]
fn a_call_that_goes_the_same_way_in_both_meshes_has_one_row() {
    let mut run = report(fixtures::account());
    let mut other = report(fixtures::account()).probes.remove(0);
    other.mesh = Flavor::Textbook;
    run.probes.insert(0, other);
    let rows = |run: &RunReport| plain(&render(run)).lines().filter(|line| line.starts_with('✓')).count();
    assert_eq!(rows(&run), 1);
    assert!(plain(&render(&run)).contains(" both "));
    run.probes[0].seen.get_mut(&DataPlane::Native).unwrap().account.outcome.app_sees = "503".into();
    assert_eq!(rows(&run), 2);
}

#[test]
fn long_words_break_after_their_hyphens() {
    assert_eq!(broken("client with wrong-service-account", 20), "client with wrong-\nservice-account");
    assert_eq!(broken("certificate_required", 16), "certificate_\nrequired");
    assert_eq!(broken("echo", 16), "echo");
}

#[test]
fn many_claims_stay_within_80_columns() {
    let claims: Vec<String> = (1..60).map(|number| format!("C{number} ✓")).collect();
    let text = listed("claims:", &claims);
    assert!(text.lines().count() > 3 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
