//! Helpers for this crate's tests: manifests in, a mesh or faults out.

use crate::{
    Fault, Severity, SourceFile, check, load,
    model::{Flavor, Mesh},
    resolve,
};

/// A pod `edge` that is a gateway, with label `istio: edge`.
pub(crate) const EDGE: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: edge, labels: {istio: edge}}
spec: {containers: [{name: istio-proxy, image: istio/proxyv2, args: [proxy, router]}]}
";

/// Manifests as file `m.yaml`.
pub(crate) fn file(yaml: &str) -> SourceFile {
    SourceFile { name: "m.yaml".into(), text: yaml.into() }
}

/// The mesh that manifests define, with its warnings. Panics with the faults if they are invalid.
pub(crate) fn mesh_with_warnings(yaml: &str, flavor: Flavor) -> (Mesh, Vec<Fault>) {
    let loaded = load(&[file(yaml)]);
    assert!(!loaded.has_errors(), "{}", text(&loaded.faults));
    match resolve(&loaded.manifests) {
        Ok((resolved, warnings)) => {
            (Mesh::new(resolved.into(), flavor), loaded.faults.into_iter().chain(warnings).collect())
        }
        Err(faults) => panic!("{}", text(&faults)),
    }
}

/// The Istio mesh that manifests define. Panics with the faults if they are invalid.
pub(crate) fn mesh(yaml: &str) -> Mesh {
    mesh_with_warnings(yaml, Flavor::Istio).0
}

/// All errors and warnings of manifests, as printed without line and column, one per line.
pub(crate) fn faults(yaml: &str) -> String {
    let mut faults = check(&[file(yaml)]).faults;
    faults.retain(|fault| fault.severity != Severity::Note);
    text(&faults)
}

fn text(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{}\n", Fault { place: None, ..fault.clone() })).collect()
}

/// A pod document with this name and further fields of its `metadata`.
pub(crate) fn pod(name: &str, metadata: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, {metadata}}}
spec: {{containers: [{{name: app, image: sidelab/demo-server, ports: [{{name: web, containerPort: 8080}}]}}]}}
"
    )
}

/// The default namespace with injection.
pub(crate) const INJECTED: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
";
