//! An imported cluster can be run: its calls have no expectations, so what is seen is compared with the prediction.

use serde_json::Value;
use tests::{labs::OwnLabs, may_make_labs, text};

#[test]
fn an_imported_cluster_runs_without_expectations() {
    if !may_make_labs() {
        return;
    }
    let labs = OwnLabs::new();
    let folder = tempfile::tempdir().unwrap();
    let mesh = folder.path().join("mesh").display().to_string();
    let imported = labs.done(&["import", &mesh, "-f", "scenarios/strict/manifests.yaml"]);
    assert!(imported.contains(&format!("sidelab run {mesh}")), "{imported}");
    let scenario = std::fs::read_to_string(format!("{mesh}/scenario.yaml")).unwrap();
    let json: Value = serde_json::from_str(scenario.split_once('\n').unwrap().1).unwrap();
    let probes = json["probes"].as_array().unwrap();
    assert!(!probes.is_empty() && probes.iter().all(|probe| probe.get("expect").is_none()), "{scenario}");
    let run = labs.sidelab(&["run", &mesh, "--mesh", "istio"]);
    assert!(run.status.success(), "{}", text(&run));
    let summary =
        format!("{0} of {0} calls agree (accounts: predicted, native; no call has an expectation)", probes.len());
    assert!(text(&run).contains(&summary), "{}", text(&run));
}

#[test]
fn an_imported_cluster_without_calls_has_no_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = folder.path().join("cluster.yaml");
    std::fs::write(&cluster, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n").unwrap();
    let mesh = folder.path().join("mesh");
    let output = tests::sidelab(&["import", mesh.to_str().unwrap(), "-f", cluster.to_str().unwrap()]);
    assert!(output.status.success() && !text(&output).contains("sidelab run"), "{}", text(&output));
    assert!(mesh.join("manifests.yaml").exists() && !mesh.join("scenario.yaml").exists());
}
