//! `sidelab claims` before a run, after one, and for a report.

use serde_json::Value;
use tests::{folder, labs::OwnLabs, may_make_labs, text};

fn claim<'a>(claims: &'a Value, number: &str) -> &'a Value {
    claims.as_array().unwrap().iter().find(|claim| claim["number"] == number).unwrap()
}

#[test]
fn claims_include_what_the_last_run_saw() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let before = labs.done(&["claims"]);
    assert!(before.contains("no run is stored: `sidelab run` stores what it sees"), "{before}");
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("out.json");
    let report = report.to_str().unwrap();
    labs.done(&["run", "loopback-app", "--json", report]);
    let kept: Value = serde_json::from_str(&labs.done(&["claims", "-o", "json"])).unwrap();
    let seen = &claim(&kept, "C6")["seen"];
    assert_eq!(seen["textbook"]["calls"][0]["saw"], "leg 1 http/1.1, leg 2 mtls > http/1.1, leg 3 http/1.1: 200");
    assert_eq!(seen["istio"]["held"], true, "it is refused, as expected");
    assert!(
        seen["istio"]["calls"][0]["saw"]
            .as_str()
            .unwrap()
            .ends_with("503, refused by the server app (connection refused)")
    );
    assert_eq!(claim(&kept, "C4")["seen"], serde_json::json!({}), "no call of this run tests it");
    let table = labs.done(&["claims"]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(!table.contains('\u{1b}'), "colours in a pipe");
    labs.done(&["down", "--all"]);
    assert_eq!(labs.done(&["claims"]), table, "the record of a run outlives the labs");
    let of_report: Value = serde_json::from_str(&labs.done(&["claims", "--report", report, "-o", "json"])).unwrap();
    assert_eq!(claim(&of_report, "C6")["seen"], *seen);
}

#[test]
fn a_file_that_is_not_a_report_is_rejected_with_a_fix() {
    let (_folder, files) = folder(&[
        ("text", "not json"),
        ("other", r#"{"schema": "sidelab.load/v1"}"#),
        ("newer", r#"{"schema": "sidelab.run/v9", "started": "2026-01-01T00:00:00Z", "probes": []}"#),
    ]);
    for file in files {
        let output = OwnLabs::new().sidelab(&["claims", "--report", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains("sidelab run --json FILE"), "{}", text(&output));
    }
}

#[test]
fn an_unknown_claim_is_rejected() {
    let output = OwnLabs::new().sidelab(&["claims", "C99"]);
    assert_eq!(
        (output.status.code(), text(&output).as_str()),
        (Some(2), "error: C99 is not a claim: the claims are C1 to C48; `sidelab claims` lists them\n")
    );
}
