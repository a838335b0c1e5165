use mesh::model::Flavor;
use pretty_assertions::assert_eq;

use super::*;
use crate::expect::Expectation;
use crate::fixtures::{self, run as report};

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 93, 200] {
        let text = plain(&render(&report(fixtures::account()), width));
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?} of {width}\n{text}");
    }
}

#[test]
fn a_wide_terminal_shows_names_whole() {
    let name = "a call with a name that does not fit its column";
    assert!(!plain(&render(&report(fixtures::account()), 80)).contains(name));
    let wide = plain(&render(&report(fixtures::account()), 200));
    assert!(wide.contains(&format!("✓ {name} istio ")), "{wide}");
}

#[test]
fn one_lab_is_one_lab() {
    let labs = |count| {
        let mut run = report(fixtures::account());
        run.labs.entry(DataPlane::Native).or_default().ready_seconds = vec![0.5; count];
        plain(&render(&run, 80))
    };
    assert!(labs(1).contains("\nnative: 1 lab, ready within 0.50 s;"), "{}", labs(1));
    assert!(labs(2).contains("\nnative: 2 labs, each ready within 0.50 s;"), "{}", labs(2));
}

#[test]
fn a_good_row_has_its_mark_legs_and_what_the_app_sees() {
    let text = plain(&render(&report(fixtures::account()), 80));
    let row = text.lines().find(|line| line.starts_with('✓')).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[words.len() - 6..], ["istio", "-", "mtls", "http/1.1", "-", "200"]);
    assert!(text.contains("1 of 1 calls agree"), "{text}");
}

#[test]
fn calls_without_an_expectation_are_counted() {
    let mut run = report(fixtures::account());
    let mut other = report(fixtures::account()).probes.remove(0);
    other.expected = Expectation::default();
    run.probes.push(other);
    let text = plain(&render(&run, 80));
    assert!(text.contains("(accounts: expected, predicted, native; 1 call without an expectation)"), "{text}");
    run.probes.remove(0);
    let text = plain(&render(&run, 80));
    assert!(text.contains("(accounts: predicted, native; no call has an expectation)"), "{text}");
}

#[test]
fn a_bad_row_says_below_what_differs() {
    let text = plain(&render(&fixtures::run_that_fails(), 80));
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
    let rows = |run: &RunReport| plain(&render(run, 80)).lines().filter(|line| line.starts_with('✓')).count();
    assert_eq!(rows(&run), 1);
    assert!(plain(&render(&run, 80)).contains(" both "));
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
    let text = listed("claims:", &claims, 80);
    assert!(text.lines().count() > 3 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
