//! A bench measures what it reports.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use lab::{
    bench::{
        self,
        measure::Measure,
        pace::Pace,
        setup::{Settings, Setup},
    },
    data_plane::DataPlane,
    scenario::Scenario,
};
use serde_json::Value;
use tests::{checkout, has_envoy, labs::OwnLabs, may_make_labs, text, tools};

#[test]
fn every_layering_carries_what_its_name_says_on_both_data_planes() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let layerings = checkout().join("benches/layerings");
    let labs = OwnLabs::new();
    let printed = labs.done(&["run", layerings.to_str().unwrap(), "--mesh", "istio", "--data-plane", "both"]);
    assert!(printed.contains("9 of 9 calls agree"), "{printed}");
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
fn every_layer_of_tls_adds_a_round_trip_to_a_new_connection() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let args = ["bench", "connect", "--layering", "direct,mesh,double", "--rtt", "20ms", "--budget", "1", "-o", "json"];
    let report: Value = serde_json::from_str(&labs.done(&args)).unwrap();
    let rtt = &report["rtts"][0];
    assert_eq!((&rtt["asked_us"], &rtt["lost"]), (&Value::from(20_000), &Value::from(0)), "{rtt}");
    let (measured, error) = (rtt["measured_us"].as_f64().unwrap(), rtt["error_us"].as_f64().unwrap());
    assert!((measured - error - 20_000.0).abs() < 0.01, "{rtt}");
    // One for TCP, one for each handshake, and one for the request.
    for (layering, round_trips) in [("direct", 2.0), ("mesh", 3.0), ("double", 4.0)] {
        let series = report["series"].as_array().unwrap().iter().find(|one| one["layering"] == layering).unwrap();
        assert_eq!(series["rtt_us"], 20_000);
        let first_byte = series["samples"][0]["p50_us"].as_f64().unwrap();
        assert!(first_byte >= round_trips * 20_000.0, "{series}");
    }
}

#[test]
fn a_bench_reports_its_conditions_and_what_the_wire_carried() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let measured = |options: &[&str]| -> Value {
        let bench = ["bench", "connect", "--layering", "double", "--budget", "1", "--rtt", "0", "-o", "json"];
        serde_json::from_str(&labs.done(&[&bench[..], options].concat())).unwrap()
    };
    let report =
        measured(&["--kx", "x25519", "--key", "p384", "--concurrency", "1,2", "--message-size", "64,20000", "--pin"]);
    let settings = &report["settings"];
    assert_eq!((&settings["key_exchange"], &settings["key"]), (&"x25519".into(), &"p384".into()));
    assert_eq!(
        (&settings["resumption"], &settings["access_log"], &settings["pin"]),
        (&false.into(), &false.into(), &true.into())
    );
    let bytes = |report: &Value, concurrency: u32, message: u32| {
        let mut series = report["series"].as_array().unwrap().iter();
        let one = series.find(|one| one["concurrency"] == concurrency && one["message_bytes"] == message).unwrap();
        one["samples"][0]["wire"]["bytes"].as_f64().unwrap()
    };
    for concurrency in [1, 2] {
        let more = bytes(&report, concurrency, 20_000) - bytes(&report, concurrency, 64);
        assert!((20_000.0..22_000.0).contains(&more), "longer answers are {more} bytes more");
    }
    // ML-KEM's key and ciphertext are 1184 and 1088 bytes (FIPS 203, table 3), of the sidecars' TLS and of the apps' in it;
    // signatures of ECDSA are a few bytes shorter or longer each time.
    let hybrid = measured(&["--kx", "x25519mlkem768", "--key", "p384"]);
    let more = bytes(&hybrid, 1, 64) - bytes(&report, 1, 64);
    assert!((4500.0..5200.0).contains(&more), "another key exchange is {more} bytes more");
}

#[test]
fn memory_is_reported_at_rest_and_per_connection() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let args = ["bench", "idle", "--layering", "mesh", "--idle", "100,0,50", "--budget", "1", "-o", "json"];
    let report: Value = serde_json::from_str(&labs.done(&args)).unwrap();
    let sample = &report["series"][0]["samples"][0];
    let held: Vec<u64> =
        sample["held"].as_array().unwrap().iter().map(|held| held["connections"].as_u64().unwrap()).collect();
    assert_eq!(held, [0, 50, 100]);
    for process in ["client_sidecar", "server_sidecar", "server_app"] {
        let resident = |step: usize| sample["held"][step]["resident"][process].as_f64().unwrap();
        let each = sample["cost"][process].as_f64().unwrap();
        assert!(resident(0) > 1e6 && resident(2) >= resident(0) && each >= 0.0, "{process} of {sample}");
    }
}

#[test]
fn the_load_of_an_open_loop_is_below_the_maximum_and_reported() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let args =
        ["bench", "request_load", "--layering", "redirect", "--open-loop", "--budget", "1", "--rtt", "0", "-o", "json"];
    let report: Value = serde_json::from_str(&labs.done(&args)).unwrap();
    let series = &report["series"][0];
    let (offered, done) = (series["offered"].as_f64().unwrap(), series["samples"][0]["per_second"].as_f64().unwrap());
    // The rate is never exceeded; the last request may be complete a little before the next one would have begun.
    assert!(done > 0.0 && done < offered * 1.1, "{series}");
}

#[test]
fn impossible_settings_are_rejected_before_anything_is_measured() {
    let labs = OwnLabs::new();
    for (options, why) in [
        (["--suite", "aes256"], "Envoy has no setting for TLS 1.3 suites"),
        (["--idle", "1000"], "name at least two numbers"),
        (["--layering", "triple"], "no such layering"),
        (["--concurrency", "0"], "0 is not in 1..=64"),
        (["--message-size", "many"], "invalid digit"),
    ] {
        let output = labs.sidelab(&[&["bench"][..], &options].concat());
        assert_eq!(output.status.code(), Some(2), "{options:?}: {}", text(&output));
        assert!(text(&output).contains(why), "{options:?}: {}", text(&output));
    }
}

#[test]
fn an_interrupt_keeps_what_was_measured() {
    if !may_make_labs() {
        return;
    }
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    let mut scenario = Scenario::read(&checkout().join("benches/layerings")).unwrap();
    scenario.probes.retain(|probe| probe.name == "direct");
    let progress = ProgressBar::hidden();
    let options = bench::Options {
        setups: vec![Setup::plain(DataPlane::Native)],
        settings: Settings::default(),
        layerings: Vec::new(),
        measures: vec![Measure::Request],
        far: Vec::new(),
        pace: Pace::for_budget(Duration::from_secs(600)),
        tools: tools(),
        privilege: netns::Privilege::acquire().unwrap(),
        progress: progress.clone(),
        interrupted: &INTERRUPTED,
    };
    let report = thread::scope(|scope| {
        let bench = scope.spawn(|| bench::run(&scenario, &options));
        while !progress.message().contains("round 2") && !bench.is_finished() {
            thread::yield_now();
        }
        INTERRUPTED.store(true, Ordering::SeqCst);
        bench.join().unwrap().unwrap()
    });
    let measured: BTreeSet<&str> = report.series.iter().map(|series| series.layering.as_str()).collect();
    assert_eq!((measured, report.failed.len()), (BTreeSet::from(["direct"]), 0));
    assert!(report.seconds < 600.0 && !report.series[0].samples.is_empty());
}

#[test]
fn a_layering_that_the_wire_refutes_is_not_measured() {
    if !may_make_labs() {
        return;
    }
    // A copy in which the mesh is expected to be strict, and accepts plaintext.
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
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("mesh (native) was not measured: leg 2 layers: expected [mtls, http/1.1]"), "{printed}");
    assert!(printed.contains("\nredirect "), "the other one was: {printed}");
}
