//! Who gets a sidecar, as Istio's default revision decides it.
//!
//! Two steps: whether the API server asks the injection webhook at all (selectors of
//! `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`), and whether the webhook then injects
//! (`injectRequired` in `pkg/kube/inject/inject.go`). An annotation is only seen in the second.

use std::collections::BTreeMap;

use super::pods::Draft;
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
    model::{Injection, Source},
};

/// Label of a namespace: `enabled` or `disabled`.
const NAMESPACE_LABEL: &str = "istio-injection";
/// Label or annotation of a pod: `"true"` or `"false"`.
const POD_LABEL: &str = "sidecar.istio.io/inject";
/// Label of a namespace or a pod: a revision of the control plane.
const REVISION_LABEL: &str = "istio.io/rev";
/// The only revision here.
const REVISION: &str = "default";
/// Namespaces of Kubernetes' own (`pkg/kube/inject/initializer.go`).
const IGNORED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Whether a pod is injected, and why.
pub(super) fn decide(pod: &Draft<'_>, manifests: &Manifests, faults: &mut Faults) -> Injection {
    let namespace = manifests.namespaces.iter().find(|n| n.head.name.name == pod.head.name.namespace);
    let empty = BTreeMap::new();
    let namespace_labels = namespace.map_or(&empty, |n| &n.head.labels);
    let label = pod.labels.get(POD_LABEL).map(String::as_str);
    let annotation = pod.annotations.get(POD_LABEL).map(String::as_str);
    let label_source = pod.at(&format!("metadata.labels[{POD_LABEL}]"));
    let annotation_source = pod.at(&format!("metadata.annotations[{POD_LABEL}]"));

    if pod.spec.host_network == Some(true) {
        return no("a pod on the host's network is never injected", pod.at("spec.hostNetwork"));
    }
    if IGNORED.contains(&pod.head.name.namespace.as_str()) {
        return no("Kubernetes' own namespaces are never injected", pod.at("metadata.namespace"));
    }
    for (value, source) in [(label, &label_source), (annotation, &annotation_source)] {
        if let Some(value) = value.filter(|v| !matches!(*v, "true" | "false")) {
            faults.warn(
                pod.head,
                source.field.clone(),
                format!(r#"{value:?} means nothing; only "true" and "false" do"#),
            );
        }
    }
    if label == Some("false") {
        return no("the pod's label says so", label_source);
    }
    let asked = match (namespace_labels.get(NAMESPACE_LABEL).map(String::as_str), namespace_labels.get(REVISION_LABEL))
    {
        (Some("enabled"), _) => Ok(Injection {
            injected: true,
            because: "the namespace's label says so".into(),
            source: namespace_source(namespace, NAMESPACE_LABEL),
        }),
        (Some(value), _) => {
            Err(no(&format!("the namespace's label says {value}"), namespace_source(namespace, NAMESPACE_LABEL)))
        }
        (None, Some(revision)) if revision == REVISION => Ok(Injection {
            injected: true,
            because: "the namespace's label names the revision".into(),
            source: namespace_source(namespace, REVISION_LABEL),
        }),
        (None, Some(_)) => Err(no(
            "the namespace's label names a revision that is not here",
            namespace_source(namespace, REVISION_LABEL),
        )),
        (None, None) => match (pod.labels.get(REVISION_LABEL), label) {
            (Some(revision), _) if revision == REVISION => Ok(Injection {
                injected: true,
                because: "the pod's label names the revision".into(),
                source: pod.at(&format!("metadata.labels[{REVISION_LABEL}]")),
            }),
            (None, Some("true")) => Ok(Injection {
                injected: true,
                because: "the pod's label says so".into(),
                source: label_source.clone(),
            }),
            _ => Err(no("neither its namespace nor its labels ask for a sidecar", pod.at("metadata.labels"))),
        },
    };
    match asked {
        // The label of the same name wins over the annotation.
        Ok(_) if label.is_none() && annotation == Some("false") => {
            no("the pod's annotation says so", annotation_source)
        }
        Ok(yes) => yes,
        Err(no) => {
            if label == Some("true") || annotation == Some("true") {
                let source = if label.is_some() { label_source } else { annotation_source };
                faults.warn(
                    pod.head,
                    source.field,
                    format!(
                        "no sidecar is injected all the same: {}; label the namespace {NAMESPACE_LABEL}: enabled{}",
                        no.because,
                        if label.is_some() {
                            ""
                        } else {
                            ", or write a label of this name (an annotation is not asked)"
                        }
                    ),
                );
            }
            no
        }
    }
}

fn no(because: &str, source: Source) -> Injection {
    Injection { injected: false, because: because.into(), source }
}

fn namespace_source<T>(namespace: Option<&Object<T>>, label: &str) -> Source {
    match namespace {
        Some(namespace) => namespace.head.source.at(format!("metadata.labels[{label}]")),
        None => Source::default_of(label),
    }
}

#[cfg(test)]
mod tests;
