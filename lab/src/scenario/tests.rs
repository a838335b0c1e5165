use mesh::account::LegNumber;
use pretty_assertions::assert_eq;

use super::*;

const GOOD: &str = "
title: t
shows: s
claims: [C1]
probes:
- name: one
  from: client
  to: server:8080
  app: http
  expect:
    legs: {2: {layers: [mtls, http/1.1]}}
    outcome: {delivered: true}
  istio:
    outcome: {status: 503, delivered: false}
";

fn parse(text: &str) -> Result<Scenario, String> {
    written::parse("s", Path::new("s"), text)
}

#[test]
fn a_meshs_expectation_overrides_the_common_one() {
    let scenario = parse(GOOD).unwrap();
    let probe = &scenario.probes[0];
    assert_eq!(probe.expected(Flavor::Textbook).outcome.delivered, Some(true));
    assert_eq!(probe.expected(Flavor::Istio).outcome.delivered, Some(false));
    assert_eq!(probe.expected(Flavor::Istio).legs[&LegNumber::BetweenPods].layers.as_ref().map(Vec::len), Some(2));
}

#[test]
fn an_incomplete_expectation_is_rejected() {
    let text = GOOD.replace("    outcome: {delivered: true}\n", "");
    let message = parse(&text).unwrap_err();
    assert_eq!(
        message,
        "probes[0] (one): the outcome (`outcome.delivered`) has no expectation in the textbook mesh; \
         add it to `expect` or `textbook`"
    );
}

#[test]
fn a_probe_without_expectations_is_compared_with_the_prediction_alone() {
    let bare = "title: t\nshows: s\nclaims: []\nprobes: [{name: one, from: client, to: 'server:8080', app: http}]";
    let scenario = parse(bare).unwrap();
    assert!([Flavor::Textbook, Flavor::Istio].into_iter().all(|mesh| scenario.probes[0].expected(mesh).is_empty()));
}

#[test]
fn a_probe_without_expectations_tests_no_claim() {
    let claims = |of_probe: &str| {
        parse(&format!(
            "title: t\nshows: s\nclaims: [C4]\nprobes: [{{name: one, from: client, to: 'server:8080', app: http{of_probe}}}]"
        ))
    };
    assert_eq!(claims("").unwrap_err(), "claims: no probe tests C4; name it in the `claims` of one");
    let message = "probes[0] (one): claims: a probe without an expectation tests no claim; add `expect`";
    assert_eq!(claims(", claims: [C4]").unwrap_err(), message);
}

#[test]
fn an_unknown_field_is_named_with_its_path() {
    let message = parse(&GOOD.replace("status: 503", "statuss: 503")).unwrap_err();
    assert!(message.starts_with("probes[0].istio.outcome.statuss: unknown field `statuss`"), "{message}");
}

#[test]
fn duplicate_probe_names_are_rejected() {
    let probe = GOOD.split_once("probes:\n").unwrap().1;
    let message = parse(&format!("{GOOD}{probe}")).unwrap_err();
    assert_eq!(message, "probes[1].name: \"one\" is the name of an earlier probe");
}

#[test]
fn a_destination_without_a_port_is_rejected() {
    let message = parse(&GOOD.replace("server:8080", "server")).unwrap_err();
    assert_eq!(message, "probes[0] (one): to: \"server\" is not HOST:PORT");
}

#[test]
fn a_probe_tests_all_claims_of_its_scenario_by_default() {
    assert_eq!(parse(GOOD).unwrap().probes[0].claims, ["C1"]);
}

#[test]
fn a_probe_can_test_some_claims_of_its_scenario() {
    let second = GOOD.split_once("probes:\n").unwrap().1.replace("name: one", "name: two\n  claims: [C2]");
    let scenario = parse(&format!("{GOOD}{second}").replace("claims: [C1]", "claims: [C1, C2]")).unwrap();
    assert_eq!(scenario.probes[1].claims, ["C2"]);
}

#[test]
fn a_probes_claim_must_be_a_claim_of_its_scenario() {
    let message = parse(&GOOD.replace("  from: client", "  claims: [C2]\n  from: client")).unwrap_err();
    assert_eq!(message, "probes[0] (one): claims: C2 is not among the scenario's `claims`; add it there");
}

#[test]
fn a_claim_that_no_probe_tests_is_rejected() {
    let text =
        GOOD.replace("claims: [C1]", "claims: [C1, C2]").replace("  from: client", "  claims: [C2]\n  from: client");
    assert_eq!(parse(&text).unwrap_err(), "claims: no probe tests C1; name it in the `claims` of one");
}

#[test]
fn an_unknown_claim_is_rejected() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(claims::FILE), "C2: {claim: c, textbook: t, istio: i}").unwrap();
    fs::create_dir(root.path().join("s")).unwrap();
    for (file, text) in [("scenario.yaml", GOOD), ("manifests.yaml", "")] {
        fs::write(root.path().join("s").join(file), text).unwrap();
    }
    let message = find(root.path(), &[]).unwrap_err().to_string();
    assert!(message.contains("scenario.yaml: claims: C1 is not in "), "{message}");
}

#[test]
fn a_scenario_without_probes_is_rejected() {
    let message = parse("title: t\nshows: s\nclaims: []\nprobes: []\n").unwrap_err();
    assert!(message.contains("shows nothing"), "{message}");
}

#[test]
fn a_webhook_can_only_be_called_over_https() {
    let with = |app: &str| parse(&GOOD.replace("app: http\n", app));
    let probe = with("app: https\n  webhook: pods.example.com\n").unwrap().probes.remove(0);
    assert_eq!(probe.webhook.as_deref(), Some("pods.example.com"));
    assert!(with("app: http\n  webhook: pods.example.com\n").unwrap_err().contains("webhook: an API server calls"));
}

#[test]
fn a_step_names_its_changes_and_what_is_expected_of_loads() {
    let with = |loads: &str, of_probe: &str| {
        parse(&format!("{}loads: [{loads}]\n", GOOD.replace("  app: http\n", &format!("  app: http\n{of_probe}"))))
    };
    let load = "{name: kept, from: client, to: 'server:9000', app: tcp, connections: kept, timeout: 1s}";
    let scenario =
        with(load, "  changes: [{rotate: {what: root}}]\n  loads: {kept: {fails: none, kept: true}}\n").unwrap();
    assert!(scenario.has_steps());
    assert_eq!((scenario.loads[0].url.as_str(), scenario.loads[0].timeout.as_secs()), ("tcp://server:9000", 1));
    let twice = format!("{load}, {load}");
    for (loads, of_probe, message) in [
        ("", "  loads: {kept: {fails: none}}\n", "kept is not among the scenario's `loads`"),
        (twice.as_str(), "", "loads[1].name: \"kept\" is the name of an earlier load"),
        (&load.replace(":9000", ""), "", "loads[0].to: \"server\" is not HOST:PORT"),
        (&load.replace("1s", "0s"), "", "loads[0].timeout: "),
        (&load.replace("name: kept", "name: a b"), "", "loads[0].name: \"a b\" is not a word"),
        ("", "  changes: [{apply: ../strict.yaml}]\n", "apply: \"../strict.yaml\" is not a path below"),
        ("", "  changes: [{apply: missing.yaml}]\n", "there is no file missing.yaml"),
        ("", "  changes: [{delete: pa}]\n", "\"pa\" is not KIND/NAME"),
        ("", "  changes: [{rotate: {what: root, times: 0}}]\n", "rotate: times: 0 is not a number from 1 to 1000"),
    ] {
        let error = with(loads, of_probe).unwrap_err();
        assert!(error.contains(message), "{message}: {error}");
    }
}
