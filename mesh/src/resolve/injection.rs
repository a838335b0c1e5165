//! Determines which pods get a sidecar.
//!
//! A pod that has the sidecar already (as `kubectl get` or `istioctl kube-inject` print it) has it. Otherwise there are two steps: whether
//! the API server asks an injection webhook at all (selectors of
//! `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`, or of the webhooks that the manifests have), and
//! whether the webhook then injects (`injectRequired` in `pkg/kube/inject/inject.go`). Annotations only matter in the second.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;

use super::{drafts::Draft, index::Index};
use crate::{
    fault::Faults,
    manifests::{Head, matches},
    model::{Injection, PLACEHOLDER, ProxyRole, SIDECAR_CONTAINER, Source, Unmodelled},
};

/// Label of a namespace: `enabled` or `disabled`.
const NAMESPACE_LABEL: &str = "istio-injection";
/// Label or annotation of a pod: `"true"` or `"false"`.
const POD_LABEL: &str = "sidecar.istio.io/inject";
/// Label of a namespace or a pod: a revision of the control plane, or a tag that stands for one. Any is assumed to be installed.
const REVISION_LABEL: &str = "istio.io/rev";
/// Annotation that injection writes.
const STATUS: &str = "sidecar.istio.io/status";
/// Annotation of a pod with the templates of its injection (`pkg/kube/inject/inject.go`).
const TEMPLATES: &str = "inject.istio.io/templates";
/// Label of a namespace or a pod: `ambient` or `none`.
const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// Label by which Istio marks the pods of a waypoint or gateway that it made itself (`pkg/config/constants`).
const MANAGED: &str = "gateway.istio.io/managed";
/// Namespaces of Kubernetes' own (`pkg/kube/inject/initializer.go`).
const IGNORED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// The role of a pod that is not modelled, if it has one, with its place.
pub(super) fn unmodelled(pod: &Draft<'_>, index: &Index<'_>) -> Option<(Unmodelled, Source)> {
    let label = |key: &str| Some((pod.labels.get(key)?.as_str(), pod.at(&format!("metadata.labels[{key}]"))));
    if let Some((by, source)) = label(MANAGED) {
        let what = if by.contains("mesh-controller") { Unmodelled::Waypoint } else { Unmodelled::Gateway };
        return Some((what, source));
    }
    if let Some((i, proxy)) = pod.spec.containers.iter().enumerate().find(|(_, c)| c.name == SIDECAR_CONTAINER) {
        let source = pod.at(&format!("spec.containers[{i}].args"));
        if node_type(proxy) == Some("waypoint") {
            return Some((Unmodelled::Waypoint, source));
        }
    }
    if has_sidecar(pod).is_some() || pod.spec.host_network == Some(true) {
        return None;
    }
    let namespace = index.namespace(&pod.name.namespace);
    let of_namespace = || {
        let namespace = namespace?;
        let source = namespace.head.source.at(format!("metadata.labels[{DATAPLANE_MODE}]"));
        Some((namespace.head.labels.get(DATAPLANE_MODE)?.as_str(), source))
    };
    let (mode, source) = label(DATAPLANE_MODE).or_else(of_namespace)?;
    (mode == "ambient").then_some((Unmodelled::Ambient, source))
}

/// The type of node that a proxy's container says it is (`pilot/cmd/pilot-agent/app/cmd.go`).
fn node_type(proxy: &Container) -> Option<&str> {
    match proxy.args.as_deref().unwrap_or_default() {
        [first, second, ..] if first == "proxy" => Some(second),
        _ => None,
    }
}

/// What the proxy of an injected pod is: by its arguments, else by the template that makes it, else, where it is written out, by its being
/// alone in its pod. What injection puts in the place of `image: auto` is a sidecar by default.
pub(super) fn role(pod: &Draft<'_>) -> ProxyRole {
    let proxy = pod.spec.containers.iter().find(|container| container.name == SIDECAR_CONTAINER);
    let by_template = || {
        let templates = pod.annotations.get(TEMPLATES)?;
        templates.split(',').any(|one| one.trim() == "gateway").then_some(ProxyRole::Router)
    };
    let by_arguments = proxy.and_then(node_type).map(|kind| match kind {
        "router" => ProxyRole::Router,
        _ => ProxyRole::Sidecar,
    });
    let is_alone = || pod.spec.containers.len() == 1 && proxy.is_some_and(|proxy| !is_placeholder(proxy));
    let alone = || is_alone().then_some(ProxyRole::Router);
    by_arguments.or_else(by_template).or_else(alone).unwrap_or(ProxyRole::Sidecar)
}

/// Whether a pod has a sidecar, and the reason.
pub(super) fn decide(pod: &Draft<'_>, index: &Index<'_>, faults: &mut Faults) -> Injection {
    if let Some(source) = has_sidecar(pod) {
        return yes("it has been injected already", source);
    }
    warn_of_templates(pod, faults);
    let namespace = index.namespace(&pod.name.namespace);
    let empty = BTreeMap::new();
    let namespace_labels = namespace.map_or(&empty, |n| &n.head.labels);
    let label = pod.labels.get(POD_LABEL).map(String::as_str);
    let annotation = pod.annotations.get(POD_LABEL).map(String::as_str);
    let label_source = pod.at(&format!("metadata.labels[{POD_LABEL}]"));
    let annotation_source = pod.at(&format!("metadata.annotations[{POD_LABEL}]"));
    if pod.spec.host_network == Some(true) {
        return no("a pod on the host's network is never injected", pod.at("spec.hostNetwork"));
    }
    if IGNORED.contains(&pod.name.namespace.as_str()) {
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
    let asked = match index.injectors() {
        [] => by_charts(pod, namespace_labels, namespace.map(|n| &n.head)),
        injectors => by_injectors(pod, namespace_labels, injectors),
    };
    match asked {
        // The label of the same name takes precedence over the annotation.
        Ok(_) if label.is_none() && annotation == Some("false") => {
            no("the pod's annotation says so", annotation_source)
        }
        Ok(_) if is_proxyless(pod) => {
            let source = pod.at(&format!("metadata.annotations[{TEMPLATES}]"));
            let message = "gives the pod no Envoy and no redirects: gRPC in the app is its own proxy, which may speak mTLS by itself; this is not modelled";
            faults.warn(pod.head, source.field.clone(), message);
            no("its template is for gRPC without a proxy, which may speak mTLS by itself", source)
        }
        Ok(yes) => yes,
        Err(no) => {
            if let Some(i) = pod.spec.containers.iter().position(is_placeholder) {
                let field = pod.at(&format!("spec.containers[{i}].image")).field;
                let message = format!(
                    "injection is to replace {PLACEHOLDER}, which is no image, and does not happen ({}): the pod never starts; label it {POD_LABEL}: \"true\"",
                    no.because
                );
                faults.warn(pod.head, field, message);
            }
            if label == Some("true") || annotation == Some("true") {
                let source = if label.is_some() { label_source } else { annotation_source };
                faults.warn(
                    pod.head,
                    source.field,
                    format!(
                        "no sidecar is injected nevertheless: {}; label the namespace {NAMESPACE_LABEL}: enabled{}",
                        no.because,
                        if label.is_some() {
                            ""
                        } else {
                            ", or add a label of this name (an annotation is not enough)"
                        }
                    ),
                );
            }
            no
        }
    }
}

/// Whether its templates are those for gRPC without a proxy: no Envoy, and no redirects
/// (`manifests/charts/istio-control/istio-discovery/files/grpc-agent.yaml` and `grpc-simple.yaml`).
fn is_proxyless(pod: &Draft<'_>) -> bool {
    let Some(templates) = pod.annotations.get(TEMPLATES) else { return false };
    let mut names = templates.split(',').map(str::trim);
    names.all(|name| matches!(name, "grpc-agent" | "grpc-simple"))
}

/// Names templates that only a cluster's own configuration of the injector can have.
fn warn_of_templates(pod: &Draft<'_>, faults: &mut Faults) {
    const OF_CHARTS: [&str; 4] = ["sidecar", "gateway", "grpc-agent", "grpc-simple"];
    if pod.labels.contains_key(TEMPLATES) && !pod.annotations.contains_key(TEMPLATES) {
        let field = pod.at(&format!("metadata.labels[{TEMPLATES}]")).field;
        faults.warn(pod.head, field, "has no effect as a label: injection reads the annotation of this name");
    }
    let templates = pod.annotations.get(TEMPLATES).map_or("", String::as_str);
    for name in templates.split(',').map(str::trim).filter(|name| !name.is_empty() && !OF_CHARTS.contains(name)) {
        let field = pod.at(&format!("metadata.annotations[{TEMPLATES}]")).field;
        faults.warn(pod.head, field, format!("template {name} is not one of Istio's charts: what it adds is not here"));
    }
}

/// Whether a container waits for injection, which merges what stands there into the proxy.
fn is_placeholder(container: &Container) -> bool {
    container.image.as_deref() == Some(PLACEHOLDER)
}

/// The evidence that a pod was injected: its sidecar is a container of it, since Kubernetes 1.29 among the init containers.
fn has_sidecar(pod: &Draft<'_>) -> Option<Source> {
    let position =
        |containers: &[Container]| containers.iter().position(|container| container.name == SIDECAR_CONTAINER);
    let is_proxy = |container: &Container| !is_placeholder(container);
    if pod.annotations.contains_key(STATUS) {
        return Some(pod.at(&format!("metadata.annotations[{STATUS}]")));
    }
    if let Some(i) = position(&pod.spec.containers).filter(|i| is_proxy(&pod.spec.containers[*i])) {
        return Some(pod.at(&format!("spec.containers[{i}]")));
    }
    let init = pod.spec.init_containers.as_deref().unwrap_or_default();
    let i = position(init).filter(|i| is_proxy(&init[*i]))?;
    Some(pod.at(&format!("spec.initContainers[{i}]")))
}

/// As the webhooks of Istio's own charts decide it, in a cluster where the default revision and all that are named are installed.
fn by_charts(
    pod: &Draft<'_>,
    namespace_labels: &BTreeMap<String, String>,
    namespace: Option<&Head>,
) -> Result<Injection, Injection> {
    let of_namespace = |label: &str| match namespace {
        Some(head) => head.source.at(format!("metadata.labels[{label}]")),
        None => Source::default_of(label),
    };
    let revision = namespace_labels.get(REVISION_LABEL).map(String::as_str);
    match (namespace_labels.get(NAMESPACE_LABEL).map(String::as_str), revision) {
        (Some("enabled"), _) => Ok(yes("the namespace's label says so", of_namespace(NAMESPACE_LABEL))),
        (Some(value), _) => Err(no(&format!("the namespace's label says {value}"), of_namespace(NAMESPACE_LABEL))),
        (None, Some(revision)) => {
            Ok(yes(&format!("the namespace's label names revision {revision}"), of_namespace(REVISION_LABEL)))
        }
        (None, None) => match (pod.labels.get(REVISION_LABEL), pod.labels.get(POD_LABEL).map(String::as_str)) {
            (Some(revision), _) => {
                let source = pod.at(&format!("metadata.labels[{REVISION_LABEL}]"));
                Ok(yes(&format!("the pod's label names revision {revision}"), source))
            }
            (None, Some("true")) => {
                Ok(yes("the pod's label says so", pod.at(&format!("metadata.labels[{POD_LABEL}]"))))
            }
            _ => Err(no("neither its namespace nor its labels ask for a sidecar", pod.at("metadata.labels"))),
        },
    }
}

/// As the selectors of the webhooks decide it that the manifests have.
fn by_injectors(
    pod: &Draft<'_>,
    namespace_labels: &BTreeMap<String, String>,
    injectors: &[(&Head, &k8s_openapi::api::admissionregistration::v1::ValidatingWebhook)],
) -> Result<Injection, Injection> {
    let mut namespace_labels = namespace_labels.clone();
    // The API server sets it on every namespace.
    namespace_labels.entry("kubernetes.io/metadata.name".into()).or_insert_with(|| pod.name.namespace.clone());
    let asks = injectors.iter().find(|(_, hook)| {
        hook.namespace_selector.as_ref().is_none_or(|selector| matches(selector, &namespace_labels))
            && hook.object_selector.as_ref().is_none_or(|selector| matches(selector, &pod.labels))
    });
    match asks {
        Some((head, hook)) => Ok(yes(&format!("webhook {} selects it", hook.name), head.source.at("webhooks"))),
        None => Err(no("no injection webhook of these manifests selects it", pod.at("metadata.labels"))),
    }
}

fn yes(because: &str, source: Source) -> Injection {
    Injection { injected: true, because: because.into(), source }
}

fn no(because: &str, source: Source) -> Injection {
    Injection { injected: false, because: because.into(), source }
}

#[cfg(test)]
mod tests;
