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
    Scenario::parse("s", Path::new("s"), text)
}

#[test]
fn what_one_mesh_says_stands_over_what_both_say() {
    let scenario = parse(GOOD).unwrap();
    let probe = &scenario.probes[0];
    assert_eq!(probe.expected(Flavor::Textbook).outcome.delivered, Some(true));
    assert_eq!(probe.expected(Flavor::Istio).outcome.delivered, Some(false));
    assert_eq!(probe.expected(Flavor::Istio).legs[&LegNumber::BetweenPods].layers.as_ref().map(Vec::len), Some(2));
}

#[test]
fn a_scenario_that_expects_nothing_is_refused() {
    let text = GOOD.replace("    outcome: {delivered: true}\n", "");
    let message = parse(&text).unwrap_err();
    assert_eq!(
        message,
        "probes[0] (one): the outcome (`outcome.delivered`) has no expectation in the textbook mesh; \
         add it to `expect` or `textbook`"
    );
}

#[test]
fn an_unknown_field_is_named_with_its_path() {
    let message = parse(&GOOD.replace("status: 503", "statuss: 503")).unwrap_err();
    assert!(message.starts_with("probes[0].istio.outcome.statuss: unknown field `statuss`"), "{message}");
}

#[test]
fn two_probes_of_one_name_are_refused() {
    let probe = GOOD.split_once("probes:\n").unwrap().1;
    let message = parse(&format!("{GOOD}{probe}")).unwrap_err();
    assert_eq!(message, "probes[1].name: \"one\" is the name of an earlier probe");
}

#[test]
fn a_destination_without_a_port_is_refused() {
    let message = parse(&GOOD.replace("server:8080", "server")).unwrap_err();
    assert_eq!(message, "probes[0] (one): to: \"server\" is not HOST:PORT");
}

#[test]
fn a_probe_without_claims_of_its_own_serves_all_of_the_scenario() {
    assert_eq!(parse(GOOD).unwrap().probes[0].claims, ["C1"]);
}

#[test]
fn a_probe_may_serve_some_claims_of_its_scenario() {
    let second = GOOD.split_once("probes:\n").unwrap().1.replace("name: one", "name: two\n  claims: [C2]");
    let scenario = parse(&format!("{GOOD}{second}").replace("claims: [C1]", "claims: [C1, C2]")).unwrap();
    assert_eq!(scenario.probes[1].claims, ["C2"]);
}

#[test]
fn a_claim_of_a_probe_is_a_claim_of_its_scenario() {
    let message = parse(&GOOD.replace("  from: client", "  claims: [C2]\n  from: client")).unwrap_err();
    assert_eq!(message, "probes[0] (one): claims: C2 is not among the scenario's `claims`; add it there");
}

#[test]
fn a_claim_that_no_probe_serves_is_refused() {
    let text =
        GOOD.replace("claims: [C1]", "claims: [C1, C2]").replace("  from: client", "  claims: [C2]\n  from: client");
    assert_eq!(parse(&text).unwrap_err(), "claims: no probe tests C1; name it in the `claims` of one");
}

#[test]
fn a_claim_that_nobody_made_is_refused() {
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
fn a_scenario_without_probes_is_refused() {
    let message = parse("title: t\nshows: s\nclaims: []\nprobes: []\n").unwrap_err();
    assert!(message.contains("shows nothing"), "{message}");
}

#[test]
fn a_webhook_is_called_over_https_alone() {
    let with = |app: &str| parse(&GOOD.replace("app: http\n", app));
    let probe = with("app: https\n  webhook: pods.example.com\n").unwrap().probes.remove(0);
    assert_eq!(probe.webhook.as_deref(), Some("pods.example.com"));
    assert!(with("app: http\n  webhook: pods.example.com\n").unwrap_err().contains("webhook: an API server calls"));
}
