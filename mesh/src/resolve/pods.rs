//! Pods: those written out, and those of Deployments, with their sidecars.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use super::{addresses, capture, containers, external_hosts, injection, peer_authentication, tls_to_app};
use crate::{
    fault::Faults,
    manifests::{Head, Manifests},
    model::{MeshConfig, ObjectName, Pod, Sidecar, Source, SvidKind, TLS_MODE_ISTIO, TLS_MODE_LABEL},
};

/// What kind of certificate the sidecar is given.
const SVID_ANNOTATION: &str = "sidelab.io/svid";

/// A pod before injection.
pub(super) struct Draft<'a> {
    /// The object that makes it.
    pub(super) head: &'a Head,
    pub(super) name: ObjectName,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: &'a PodSpec,
    /// Where the pod's fields stand in the document: nothing, or `spec.template.` in a Deployment.
    prefix: &'static str,
    /// The Deployment's name, or the pod's own.
    workload: &'a str,
}

impl Draft<'_> {
    /// A field of the pod, in the document that makes it.
    pub(super) fn at(&self, field: &str) -> Source {
        self.head.source.at(format!("{}{field}", self.prefix))
    }
}

/// All pods in order of namespace and name, with sidecars where they are injected.
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig, faults: &mut Faults) -> Vec<Pod> {
    let mut drafts = drafts(manifests);
    drafts.sort_by(|a, b| (&a.name, a.head.age.order).cmp(&(&b.name, b.head.age.order)));
    for pair in drafts.windows(2).filter(|pair| pair[0].name == pair[1].name) {
        let message =
            format!("there is another pod {}, made by {} at {}", pair[1].name, pair[0].head.kind, pair[0].head.source);
        faults.error(pair[1].head, "metadata.name", message);
    }
    let mut pods: Vec<Pod> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let external_hosts = external_hosts::of(&draft, &pods, faults);
        let outside = pods.iter().filter(|pod| pod.is_external()).count();
        let ips = match external_hosts.is_empty() {
            true => addresses::pod(pods.len() - outside).ok_or("10.244.0.0/16"),
            false => addresses::external_host(outside).ok_or("203.0.113.0/24"),
        };
        let ips = match ips {
            Ok(ips) => ips,
            Err(range) => {
                faults.error(draft.head, "", format!("there is no address left for its pods in {range}"));
                break;
            }
        };
        let injection = match external_hosts.is_empty() {
            true => injection::decide(&draft, manifests, faults),
            false => external_hosts::injection(&draft),
        };
        let service_account = draft.spec.service_account_name.clone().unwrap_or_else(|| "default".into());
        let (containers, mounts) = containers::of(&draft, ips, injection.injected, manifests, faults);
        let sidecar = injection.injected.then(|| Sidecar {
            capture: capture::of(&draft, faults),
            spiffe_id: config.spiffe_id(&draft.name.namespace, &service_account),
            svid: svid_kind(&draft, faults),
            mounts,
            tls_to_app: tls_to_app::of(&draft, faults),
        });
        let labels = if sidecar.is_some() { injected_labels(&draft) } else { draft.labels.clone() };
        pods.push(Pod {
            peer_authentication: peer_authentication::effective(manifests, config, &draft.name.namespace, &labels),
            external_hosts,
            containers,
            source: draft.at("").clone(),
            name: draft.name,
            labels,
            annotations: draft.annotations,
            workload: draft.workload.to_owned(),
            service_account,
            ips,
            injection,
            sidecar,
        });
    }
    pods
}

fn drafts(manifests: &Manifests) -> Vec<Draft<'_>> {
    let mut drafts = Vec::new();
    for pod in &manifests.pods {
        if let Some(spec) = &pod.body.spec {
            drafts.push(Draft {
                head: &pod.head,
                name: pod.head.name.clone(),
                labels: pod.head.labels.clone(),
                annotations: pod.head.annotations.clone(),
                spec,
                prefix: "",
                workload: &pod.head.name.name,
            });
        }
    }
    for deployment in &manifests.deployments {
        let head = &deployment.head;
        let Some(deployment) = &deployment.body.spec else { continue };
        let Some(spec) = &deployment.template.spec else { continue };
        let ObjectMeta { labels, annotations, .. } = deployment.template.metadata.clone().unwrap_or_default();
        for replica in 0..deployment.replicas.unwrap_or(1) {
            drafts.push(Draft {
                head,
                name: ObjectName { name: format!("{}-{replica}", head.name.name), ..head.name.clone() },
                labels: labels.clone().unwrap_or_default(),
                annotations: annotations.clone().unwrap_or_default(),
                spec,
                prefix: "spec.template.",
                workload: &head.name.name,
            });
        }
    }
    drafts
}

/// What kind of certificate a pod's sidecar is given.
fn svid_kind(pod: &Draft<'_>, faults: &mut Faults) -> SvidKind {
    let read = pod.annotations.get(SVID_ANNOTATION).map(|text| text.parse()).transpose();
    read.map(Option::unwrap_or_default).unwrap_or_else(|e: String| {
        faults.error(pod.head, pod.at(&format!("metadata.annotations[{SVID_ANNOTATION}]")).field, e);
        SvidKind::Proper
    })
}

/// A pod's labels after injection (`files/injection-template.yaml`): `security.istio.io/tlsMode` is what automatic mTLS
/// trusts; the canonical name and revision are what telemetry calls the workload.
fn injected_labels(pod: &Draft<'_>) -> BTreeMap<String, String> {
    let first = |keys: [&str; 2], otherwise: &str| {
        keys.iter().find_map(|key| pod.labels.get(*key)).cloned().unwrap_or_else(|| otherwise.to_owned())
    };
    let added = [
        (TLS_MODE_LABEL, TLS_MODE_ISTIO.to_owned()),
        ("service.istio.io/canonical-name", first(["app.kubernetes.io/name", "app"], pod.workload)),
        ("service.istio.io/canonical-revision", first(["app.kubernetes.io/version", "version"], "latest")),
    ];
    let mut labels = pod.labels.clone();
    for (key, value) in added {
        labels.entry(key.to_owned()).or_insert(value);
    }
    labels
}
