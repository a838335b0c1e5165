//! Telemetries, in the order in which istiod looks at them, and those that are for nobody.

use super::selects;
use crate::{
    fault::Faults,
    manifests::{Manifests, Object, telemetry::TelemetrySpec as Spec},
    model::{Resolved, Telemetry},
    telemetry::collector,
};

/// The names of providers that MeshConfig has by default (`pkg/config/mesh/mesh.go`).
const BUILT_IN: [&str; 3] = ["prometheus", "stackdriver", "envoy"];

/// All of them, the oldest first.
pub(super) fn resolve(manifests: &Manifests) -> Vec<Telemetry> {
    let mut all: Vec<_> = manifests.telemetries.iter().collect();
    all.sort_by_key(|telemetry| &telemetry.head.age);
    all.into_iter().map(resolved).collect()
}

fn resolved(telemetry: &Object<Spec>) -> Telemetry {
    let spec = &telemetry.body;
    Telemetry {
        name: telemetry.head.name.clone(),
        selector: spec.selector.as_ref().map(|selector| selector.match_labels.clone()).unwrap_or_default(),
        targets: spec.targets().cloned().collect(),
        spec: spec.clone(),
        source: telemetry.head.source.clone(),
    }
}

/// Warns about those that are for no pod, and about what they refer to and is not there.
pub(super) fn warn(manifests: &Manifests, mesh: &Resolved, faults: &mut Faults) {
    for telemetry in &manifests.telemetries {
        let resolved = resolved(telemetry);
        let namespace = &telemetry.head.name.namespace;
        let same_place = |other: &&Telemetry| other.is_for_all() && other.name.namespace == *namespace;
        let first = mesh.telemetries.iter().find(same_place);
        if resolved.is_for_all() {
            if let Some(first) = first.filter(|first| first.name != resolved.name) {
                let message = format!("is ignored: {} is older, and for the whole namespace, too", first.full_name());
                faults.warn(telemetry, "spec", message);
            }
        } else if resolved.targets.is_empty() {
            let mut pods = mesh.pods.iter().filter(|pod| pod.name.namespace == *namespace);
            if !pods.any(|pod| selects(&resolved.selector, &pod.labels)) {
                let message = format!("selects no pod of namespace {namespace}");
                faults.warn(telemetry, "spec.selector.matchLabels", message);
            }
        } else {
            let field = if telemetry.body.target_ref.is_some() { "spec.targetRef" } else { "spec.targetRefs" };
            faults.warn(telemetry, field, "is for a waypoint or a gateway: it changes nothing of sidecars");
        }
        providers(telemetry, mesh, faults);
        named(telemetry, faults);
    }
}

/// Providers that MeshConfig does not have, or to which no spans can be sent.
fn providers(telemetry: &Object<Spec>, mesh: &Resolved, faults: &mut Faults) {
    for (field, name) in telemetry.body.providers() {
        match mesh.provider(name) {
            None if BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name)) => {}
            None => {
                let message = format!("{name:?} is none of extensionProviders of MeshConfig");
                faults.warn(telemetry, field, message);
            }
            Some(provider) if field.starts_with("spec.tracing") => {
                if let Err(reason) = collector(mesh, provider) {
                    faults.warn(telemetry, field, format!("provider {name} {reason}"));
                }
            }
            Some(_) => {}
        }
    }
}

/// What is read and decides nothing here.
fn named(telemetry: &Object<Spec>, faults: &mut Faults) {
    let spec = &telemetry.body;
    if !spec.access_logging.is_empty() {
        let message =
            "does not affect any answer: a lab logs every call in a file of its own, since verdicts need each line";
        faults.note(telemetry, "spec.accessLogging", message);
    }
    if !spec.metrics.is_empty() {
        let message = "does not affect any answer: here all of Istio's metrics are counted, with Istio's labels";
        faults.note(telemetry, "spec.metrics", message);
    }
}
