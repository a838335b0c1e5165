//! `sidelab diagnose` in a lab that is up: what is there confirms causes.

use pretty_assertions::assert_eq;
use serde_json::Value;
use tests::{labs::OwnLabs, may_make_labs, text};

const STRICT: &str = "scenarios/strict/manifests.yaml";

/// What is diagnosed, as JSON.
fn diagnosed(labs: &OwnLabs, args: &[&str]) -> Value {
    let words: Vec<&str> = [&["diagnose", "-o", "json"], args].concat();
    let output = labs.sidelab(&words);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

/// The short name of the first cause, and where it was found.
fn first_cause(diagnosed: &Value) -> (&str, Vec<&str>) {
    let cause = &diagnosed["causes"][0];
    let confirmed = cause["confirmed_by"].as_array().into_iter().flatten().map(|one| one.as_str().unwrap());
    (cause["cause"].as_str().unwrap_or("none"), confirmed.collect())
}

/// Whether something was found in a place, about a pod.
fn finds(diagnosed: &Value, place: &str, pod: &str, words: &str) -> bool {
    let mut found = diagnosed["found"].as_array().unwrap().iter();
    found.any(|one| one["in"] == place && one["pod"] == pod && one["what"].as_str().unwrap().contains(words))
}

#[test]
fn a_refused_call_is_explained_by_its_prediction_and_by_the_servers_log() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let id = labs.up(&["-f", STRICT]);
    let call = ["--from", "outsider", "--to", "server:8080"];
    assert_eq!(first_cause(&diagnosed(&labs, &call)), ("plaintext-to-strict", vec!["prediction"]));

    labs.sidelab(&["exec", "outsider", "--", "curl", "-s", "http://server:8080/"]);
    let text = "curl: (56) Recv failure: Connection reset by peer";
    let both = diagnosed(&labs, &[&call[..], &["--", text]].concat());
    assert_eq!(first_cause(&both), ("plaintext-to-strict", vec!["prediction", "access_log"]));
    assert_eq!((&both["call"]["lab"], &both["call"]["from"]), (&id.into(), &"outsider.default".into()));
    assert!(finds(&both, "access_log", "server.default", "filter_chain_not_found"), "{both:#}");

    // A line of the lab names the call by its addresses.
    let line = labs.done(&["logs", "server", "-c", "istio-proxy", "--tail", "1"]);
    let by_line = diagnosed(&labs, &["--", line.trim()]);
    assert_eq!(by_line["call"]["from"], "outsider.default", "{by_line:#}");
    assert_eq!(first_cause(&by_line).0, "plaintext-to-strict");
}

#[test]
fn a_server_whose_program_is_killed_is_the_cause_although_the_call_is_predicted_as_delivered() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    labs.up(&["-f", STRICT]);
    let call = ["--from", "client", "--to", "server:8080"];
    let healthy = diagnosed(&labs, &call);
    assert_eq!(healthy["causes"], Value::Array(vec![]), "{healthy:#}");

    labs.done(&["fault", "kill", "server", "-c", "app"]);
    let broken = diagnosed(&labs, &call);
    assert_eq!(first_cause(&broken), ("nothing-listens", vec!["program", "socket"]), "{broken:#}");
    assert!(finds(&broken, "program", "server.default", "app has ended with exit code 137"), "{broken:#}");
}
