//! Labs whose sidecars run on the real istiod's files, if it is built (`scripts/istiod`).

use std::fs;

use envoy_api::accepted;
use lab::data_plane::DataPlane;
use mesh::model::{ControlPlane, Flavor};
use serde_json::Value;
use tests::{
    checkout, has, istiod,
    labs::{OwnLabs, curl_status},
    may_make_labs, run_by, sidelab, sidelab_command, text,
};

#[test]
fn every_scenario_agrees_on_istiods_files_with_the_native_proxy() {
    if istiod().is_none() || !may_make_labs() {
        return;
    }
    let scenarios = tests::scenarios();
    let report = run_by(ControlPlane::Istiod, &scenarios, &[Flavor::Istio], &[DataPlane::Native]);
    let mut bad = vec![];
    for probe in report.probes.iter().filter(|probe| !probe.verdict.agrees) {
        let disagreements = probe.verdict.disagreements.iter();
        bad.extend(disagreements.map(|one| format!("{}: {}: {one}", probe.scenario, probe.probe)));
    }
    println!("{} calls on istiod's files, {} not as expected", report.probes.len(), bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

const EXPLAIN: [&str; 7] =
    ["explain", "-f", "scenarios/strict/manifests.yaml", "--from", "client", "--to", "server:8080"];

#[test]
fn a_prediction_from_istiods_files_names_the_control_plane() {
    if istiod().is_none() {
        return;
    }
    let output = sidelab(&[&EXPLAIN[..], &["--control-plane", "istiod", "-o", "json"]].concat());
    assert!(output.status.success(), "{}", text(&output));
    let account: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&account["control_plane"], &account["outcome"]["delivered"]), (&"istiod".into(), &true.into()));
    assert_eq!(account["legs"][1]["tls"][0]["alpn_offered"][0], "istio-http/1.1");
}

#[test]
fn the_configuration_is_what_istiod_pushes_except_for_its_sources() {
    if istiod().is_none() {
        return;
    }
    let of = |args: &[&str]| -> Value {
        let output = sidelab(args);
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let manifests = ["-f", "scenarios/strict/manifests.yaml", "-o", "json"];
    let here = of(&[&["config", "client", "--control-plane", "istiod"], &manifests[..]].concat());
    let pushed = of(&[&["istiod", "client"], &manifests[..]].concat());
    assert_eq!(here["routes"], pushed["routes"]);
    assert_eq!(here["endpoints"], pushed["endpoints"]);
    assert_eq!(here["clusters"][0], pushed["clusters"][0], "a cluster without sources");
}

#[test]
fn istiod_does_not_support_the_textbook_mesh() {
    for mesh in ["textbook", "both"] {
        let output = sidelab(&[&EXPLAIN[..], &["--control-plane", "istiod", "--mesh", mesh]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("only the istio mesh"), "{}", text(&output));
    }
}

#[test]
fn without_istiod_the_error_names_the_script_that_builds_it() {
    let mut command = sidelab_command(&[&EXPLAIN[..], &["--control-plane", "istiod"]].concat());
    let output = command.env("SIDELAB_ISTIOD", "/nowhere/istiod").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("scripts/istiod"), "{}", text(&output));
}

#[test]
fn a_lab_that_is_up_on_istiods_files_serves_calls() {
    if istiod().is_none() || !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let up = labs.done(&["up", "-f", "scenarios/strict/manifests.yaml", "--control-plane", "istiod"]);
    assert!(up.contains("files by istiod"), "{up}");
    let answer = labs.done(&curl_status(&["client"], "http://server:8080/"));
    assert_eq!(answer.trim(), "200");
    labs.done(&["down"]);
}

#[test]
fn a_lab_that_is_up_on_istiods_files_changes_with_apply_and_delete() {
    if istiod().is_none() || !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml", "--control-plane", "istiod"]);
    let status = || labs.status("outsider", "http://server:8080/");
    assert_eq!(status(), "000");
    let deleted = labs.done(&["delete", "pa", "default", "--wait"]);
    assert!(deleted.contains("taken by 2 sidecars, the last after "), "{deleted}");
    assert_eq!(status(), "200", "PERMISSIVE takes plaintext");
    let applied = labs.done(&["apply", "-f", "scenarios/strict/manifests.yaml", "--wait"]);
    assert!(applied.contains("peerauthentication.security.istio.io/default created\n"), "{applied}");
    assert_eq!(status(), "000");
    let again = labs.done(&["apply", "-f", "scenarios/strict/manifests.yaml", "--wait"]);
    assert!(again.ends_with("no sidecar gets other files\n"), "{again}");
}

#[test]
fn docs_list_every_field_that_is_accepted_without_effect() {
    let docs = fs::read_to_string(checkout().join("docs/control-plane.md")).unwrap();
    let table = accepted::markdown();
    assert!(docs.contains(&table), "docs/control-plane.md should have this table:\n{table}");
}

#[test]
fn sidecars_on_istiods_files_name_each_other_in_their_metrics() {
    if istiod().is_none() || !may_make_labs() || !has("curl") {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", "scenarios/strict/manifests.yaml", "--control-plane", "istiod"]);
    let seen = labs.done(&["exec", "client", "--", "curl", "-sS", "-i", "http://server:8080/"]);
    assert!(seen.contains("200 OK") && !seen.contains("x-envoy-peer-metadata"), "neither app sees the headers: {seen}");
    for (pod, other) in [("client", "destination_workload=\"server\""), ("server", "source_workload=\"client\"")] {
        let metrics = labs.done(&["exec", pod, "--", "curl", "-sS", "http://127.0.0.1:15090/stats/prometheus"]);
        let counted = metrics.lines().find(|line| line.starts_with("istio_requests_total"));
        assert!(counted.is_some_and(|line| line.contains(other)), "{pod}: {counted:?}");
    }
}
