//! The real Envoy accepts every file that the compiler writes: none rejected, no unknown field.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use lab::scenario::Scenario;
use serde_json::Value;
use tests::{has_envoy, labs::OwnLabs, may_make_labs};

/// Whether one of Envoy's counters reports a file that was not fully accepted.
fn is_complaint(counter: &str) -> bool {
    counter.ends_with("update_rejected") || counter.ends_with("unknown_fields")
}

/// Brings a scenario up with Envoy, checks every sidecar's counters, and returns the number of sidecars.
fn ask_sidecars(scenario: &Scenario, mesh: &str) -> usize {
    let labs = OwnLabs::new();
    let file = scenario.manifests().display().to_string();
    labs.up(&["-f", &file, "--data-plane", "envoy", "--mesh", mesh]);
    let pods: Value = serde_json::from_str(&labs.done(&["get", "pods", "-A", "-o", "json"])).unwrap();
    let has_sidecar = |pod: &&Value| {
        let mut containers = pod["spec"]["containers"].as_array().unwrap().iter();
        containers.any(|container| container["name"] == "istio-proxy")
    };
    let sidecars = pods["items"].as_array().unwrap().iter().filter(has_sidecar);
    let asked = sidecars.map(|pod| {
        let metadata = &pod["metadata"];
        let name = &format!("{}.{}", metadata["name"].as_str().unwrap(), metadata["namespace"].as_str().unwrap());
        let of = format!("{name} of {} ({mesh})", scenario.name);
        let stats = labs.done(&["exec", name, "--", "curl", "-sf", "127.0.0.1:15000/stats"]);
        let counters = || stats.lines().filter_map(|line| line.split_once(": "));
        let complaints: Vec<_> = counters().filter(|(name, value)| is_complaint(name) && *value != "0").collect();
        assert_eq!(complaints, [], "{of}");
        // Each kind of file was loaded, so that its counters mean something.
        for loaded in [
            "listener_manager.lds.update_success",
            "cluster_manager.cds.update_success",
            "sds.default.update_success",
            "sds.ROOTCA.update_success",
        ] {
            assert!(counters().any(|(name, value)| name.ends_with(loaded) && value != "0"), "{loaded} of {of}");
        }
        let routes: Vec<_> =
            counters().filter(|(name, _)| name.contains(".rds.") && name.ends_with(".update_success")).collect();
        assert!(routes.iter().all(|(_, value)| *value != "0"), "{routes:?} of {of}");
    });
    asked.count()
}

#[test]
fn envoy_accepts_every_file_of_every_pod_in_both_meshes() {
    if !may_make_labs() || !has_envoy() {
        return;
    }
    let scenarios = tests::scenarios();
    let labs: Vec<_> =
        scenarios.iter().flat_map(|scenario| ["textbook", "istio"].map(|mesh| (scenario, mesh))).collect();
    let next = AtomicUsize::new(0);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((scenario, mesh)) = labs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    asked.fetch_add(ask_sidecars(scenario, mesh), Ordering::Relaxed);
                }
            });
        }
    });
    let asked = asked.into_inner();
    assert!(asked >= 12, "only {asked} sidecars were asked");
}
