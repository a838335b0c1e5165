//! Determines the pods: those that documents define, and those that workloads make.
//!
//! An object whose pods are written out as well (or whose ReplicaSets are, as `kubectl get all` prints them) makes none: by
//! `ownerReferences` they are the same.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    manifests::{Head, Manifests, Object, workload::Workload},
    model::{ObjectName, Source},
};

/// A pod before injection.
pub(super) struct Draft<'a> {
    /// The object that defines it.
    pub(super) head: &'a Head,
    pub(super) name: ObjectName,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: &'a PodSpec,
    /// Its name in DNS, below that of its headless service: `hostname` and `subdomain`.
    pub(super) dns: Option<(String, String)>,
    /// Its hostname: `hostname`, else its name.
    pub(super) hostname: String,
    /// Volumes of a StatefulSet's `volumeClaimTemplates`.
    pub(super) claims: &'a [String],
    /// The addresses that it has in the cluster that it was read from.
    pub(super) cluster_ips: Vec<IpAddr>,
    /// Where the pod's fields stand in the document: nothing, or `spec.template.` in a Deployment.
    prefix: &'static str,
    /// The name of its top-level owner, such as a Deployment, or the pod's own.
    pub(super) workload: &'a str,
}

impl Draft<'_> {
    /// A field of the pod, in the document that makes it.
    pub(super) fn at(&self, field: &str) -> Source {
        let path = format!("{}{field}", self.prefix);
        self.head.source.at(path.trim_end_matches('.'))
    }
}

/// An object by kind, namespace and name.
type Key<'a> = (&'a str, &'a str, &'a str);

/// All pods.
pub(super) fn of(manifests: &Manifests) -> Vec<Draft<'_>> {
    let heads = || manifests.pods.iter().map(|pod| &pod.head).chain(manifests.workloads.iter().map(|w| &w.head));
    let owners: HashSet<Key<'_>> = heads().filter_map(controller).collect();
    let workloads: HashMap<Key<'_>, &Head> = manifests.workloads.iter().map(|w| (key(&w.head), &w.head)).collect();
    let mut drafts = Vec::new();
    for Object { head, body } in &manifests.pods {
        let Some(spec) = &body.spec else { continue };
        let status = body.status.as_ref();
        let ips = status
            .iter()
            .flat_map(|status| status.pod_ip.iter().chain(status.pod_ips.iter().flatten().map(|ip| &ip.ip)));
        drafts.push(Draft {
            head,
            name: head.name.clone(),
            labels: head.labels.clone(),
            annotations: head.annotations.clone(),
            spec,
            dns: spec.hostname.clone().zip(spec.subdomain.clone()),
            hostname: spec.hostname.clone().unwrap_or_else(|| head.name.name.clone()),
            claims: &[],
            cluster_ips: ips.filter_map(|ip| ip.parse().ok()).collect(),
            prefix: "",
            workload: top(head, &workloads),
        });
    }
    for object in manifests.workloads.iter().filter(|object| !owners.contains(&key(&object.head))) {
        if let Some(spec) = &object.body.template.spec {
            drafts
                .extend((0..object.body.replicas).map(|i| of_workload(object, spec, i, top(&object.head, &workloads))));
        }
    }
    drafts
}

/// The top-level owner of an object. Two steps at most: a pod's ReplicaSet, and its Deployment.
fn top<'a>(mut head: &'a Head, workloads: &HashMap<Key<'a>, &'a Head>) -> &'a str {
    for _ in 0..2 {
        head = controller(head).and_then(|owner| workloads.get(&owner).copied()).unwrap_or(head);
    }
    &head.name.name
}

fn of_workload<'a>(object: &'a Object<Workload>, spec: &'a PodSpec, replica: i32, top: &'a str) -> Draft<'a> {
    let Object { head, body } = object;
    let ObjectMeta { labels, annotations, .. } = body.template.metadata.clone().unwrap_or_default();
    let name = format!("{}-{}", head.name.name, body.first_ordinal + replica);
    // A StatefulSet gives its pods hostname and subdomain (`initIdentity` in `pkg/controller/statefulset`).
    let is_stateful = head.kind == "StatefulSet";
    let hostname = if is_stateful { Some(name.clone()) } else { spec.hostname.clone() };
    let subdomain = if is_stateful { body.service_name.clone() } else { spec.subdomain.clone() };
    let mut labels = labels.unwrap_or_default();
    if is_stateful {
        labels.insert("statefulset.kubernetes.io/pod-name".into(), name.clone());
    }
    Draft {
        head,
        labels,
        annotations: annotations.unwrap_or_default(),
        spec,
        dns: hostname.clone().zip(subdomain),
        hostname: hostname.unwrap_or_else(|| name.clone()),
        claims: &body.claims,
        cluster_ips: Vec::new(),
        prefix: body.template_field,
        workload: top,
        name: ObjectName { name, namespace: head.name.namespace.clone() },
    }
}

fn key(head: &Head) -> Key<'_> {
    (head.kind, &head.name.namespace, &head.name.name)
}

/// The controller of an object.
fn controller(head: &Head) -> Option<Key<'_>> {
    let (kind, name) = head.controller.as_ref()?;
    Some((kind, &head.name.namespace, name))
}

#[cfg(test)]
mod tests;
