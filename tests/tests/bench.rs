//! What is measured is what it is said to be.

use serde_json::Value;
use tests::{checkout, has_envoy, labs::OwnLabs, may_make_labs};

#[test]
fn every_layering_carries_what_it_is_named_for_on_both_data_planes() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let layerings = checkout().join("benches/layerings");
    let labs = OwnLabs::new();
    let told = labs.done(&["run", layerings.to_str().unwrap(), "--mesh", "istio", "--data-plane", "both"]);
    assert!(told.contains("9 of 9 calls agree"), "{told}");
}

#[test]
fn a_bench_has_samples_of_every_figure_and_answers_what_it_can() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let args =
        ["bench", "connect", "down", "--layering", "redirect,mesh,double", "--rtt", "0", "--budget", "1", "-o", "json"];
    let report: Value = serde_json::from_str(&labs.done(&args)).unwrap();
    let series = report["series"].as_array().unwrap();
    assert_eq!(series.len(), 6, "two measures of three layerings");
    for one in series {
        let sample = &one["samples"][0];
        assert!(sample["per_second"].as_f64().unwrap() > 0.0, "{one}");
        for process in ["client_app", "client_sidecar", "server_sidecar", "server_app"] {
            assert!(sample["cost"][process].as_f64().unwrap() > 0.0, "{process} of {one}");
        }
        assert_eq!(sample["p50_us"].is_number(), one["measure"] == "connect", "{one}");
    }
    let claims: Vec<&str> =
        report["answers"].as_array().unwrap().iter().map(|answer| answer["claim"].as_str().unwrap()).collect();
    assert_eq!(claims, ["C10", "C11"]);
}

#[test]
fn every_layer_of_tls_on_the_way_costs_a_new_connection_one_more_round_trip() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let args = ["bench", "connect", "--layering", "direct,mesh,double", "--rtt", "20ms", "--budget", "1", "-o", "json"];
    let report: Value = serde_json::from_str(&labs.done(&args)).unwrap();
    let rtt = &report["rtts"][0];
    assert_eq!((&rtt["asked_us"], &rtt["lost"]), (&Value::from(20_000), &Value::from(0)), "{rtt}");
    assert!(rtt["measured_us"].as_f64().unwrap() >= 20_000.0, "{rtt}");
    // One for TCP and one for the request, and one for each handshake between them.
    for (layering, round_trips) in [("direct", 2.0), ("mesh", 3.0), ("double", 4.0)] {
        let series = report["series"].as_array().unwrap().iter().find(|one| one["layering"] == layering).unwrap();
        assert_eq!(series["rtt_us"], 20_000);
        let first_byte = series["samples"][0]["p50_us"].as_f64().unwrap();
        assert!(first_byte >= round_trips * 20_000.0, "{series}");
    }
}

#[test]
fn a_layering_that_the_wire_refutes_is_not_measured() {
    if !may_make_labs() {
        return;
    }
    // A copy in which the mesh is said to be strict, and takes plaintext.
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(checkout().join(from)).unwrap();
        let to = folder.path().join(from);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, change(text)).unwrap();
    };
    copy("scenarios/claims.yaml", &|text| text);
    copy("benches/layerings/scenario.yaml", &|text| text);
    copy("benches/layerings/manifests.yaml", &|text| text.replace("mode: STRICT", "mode: DISABLE"));
    let scenarios = folder.path().join("scenarios");
    let args = ["bench", "handshake", "--layering", "redirect,mesh", "--budget", "1", "--scenarios"];
    let labs = OwnLabs::new();
    let output = labs.sidelab(&[&args[..], &[scenarios.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("mesh (native) was not measured: leg 2 layers: expected [mtls, http/1.1]"), "{told}");
    assert!(told.contains("\n redirect "), "the other one was: {told}");
}
