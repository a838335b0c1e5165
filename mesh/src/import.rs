//! Reduces the output of `kubectl get -o yaml` to the manifests that matter here.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::KeyPair;
use serde_json::{Map, Value};

use crate::{
    fault::Fault,
    load::{self, SourceFile},
    manifests::{KINDS, others},
    pem,
    validate::secret::VALUES_REPLACED,
};

#[cfg(test)]
mod tests;

/// The resources of Kubernetes to read, as kubectl names them.
pub const RESOURCES: &[&str] = &[
    "namespaces",
    "serviceaccounts",
    "pods",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicationcontrollers",
    "jobs.batch",
    "cronjobs.batch",
    "services",
    "endpointslices.discovery.k8s.io",
    "configmaps",
    "secrets",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "networkpolicies.networking.k8s.io",
];

/// The resources to read if Istio or the Gateway API is installed.
pub const CUSTOM_RESOURCES: &[&str] = &[
    "peerauthentications.security.istio.io",
    "authorizationpolicies.security.istio.io",
    "requestauthentications.security.istio.io",
    "destinationrules.networking.istio.io",
    "virtualservices.networking.istio.io",
    "serviceentries.networking.istio.io",
    "workloadentries.networking.istio.io",
    "sidecars.networking.istio.io",
    "gateways.networking.istio.io",
    "proxyconfigs.networking.istio.io",
    "envoyfilters.networking.istio.io",
    "wasmplugins.extensions.istio.io",
    "httproutes.gateway.networking.k8s.io",
    "grpcroutes.gateway.networking.k8s.io",
    "gateways.gateway.networking.k8s.io",
];

/// Namespaces of the cluster itself, which have no part in the mesh.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The result of an import.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The objects, in the order in which they were printed.
    pub objects: Vec<Value>,
    /// The numbers of objects that were left out, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// The number of replaced values of Secrets.
    pub replaced: usize,
}

/// Reduces the objects of a cluster.
///
/// # Errors
/// The documents that can't be read.
pub fn import(files: &[SourceFile], with_secrets: bool) -> Result<Imported, Vec<Fault>> {
    let mut imported = Imported::default();
    for value in load::values(files)? {
        match reason_to_leave_out(&value) {
            Some(reason) => *imported.left_out.entry(reason).or_default() += 1,
            None => {
                let mut object = reduced(value);
                if object["kind"] == "Secret" && !with_secrets {
                    imported.replaced += replace_values(&mut object);
                }
                imported.objects.push(object);
            }
        }
    }
    Ok(imported)
}

/// Why an object does not matter here; `None` if it does.
fn reason_to_leave_out(object: &Value) -> Option<String> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (kind, name, namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
    if SYSTEM.contains(&namespace) || (kind == "Namespace" && SYSTEM.contains(&name)) {
        return Some(format!("of namespace {}", if namespace.is_empty() { name } else { namespace }));
    }
    let is_read = KINDS.iter().any(|known| known.name == kind && known.versions.contains(&text("/apiVersion")));
    if !is_read && !matches!(others::may_change(text("/apiVersion"), kind), Ok(Some(_))) {
        return Some(format!("{kind}: does not matter here"));
    }
    let made_by_cluster = match kind {
        "ConfigMap" => matches!(name, "kube-root-ca.crt" | "istio-ca-root-cert") || name.ends_with("-leader"),
        "Secret" => ["kubernetes.io/service-account-token", "helm.sh/release.v1"].contains(&text("/type")),
        "EndpointSlice" => {
            text("/metadata/labels/endpointslice.kubernetes.io~1managed-by") == "endpointslice-controller.k8s.io"
        }
        "Service" => name == "kubernetes" && namespace == "default",
        "Pod" => ["Succeeded", "Failed"].contains(&text("/status/phase")),
        "ReplicaSet" => object.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0),
        _ => false,
    };
    made_by_cluster
        .then(|| format!("{kind}: {}", if kind == "Pod" { "has ended" } else { "made by the cluster itself" }))
}

/// An object without the server's bookkeeping. Of its status, only a pod's addresses stay, since endpoints refer to them.
fn reduced(mut object: Value) -> Value {
    let Some(fields) = object.as_object_mut() else { return object };
    let ips: Map<String, Value> = match fields.remove("status") {
        Some(Value::Object(status)) => {
            status.into_iter().filter(|(name, _)| name == "podIP" || name == "podIPs").collect()
        }
        _ => Map::new(),
    };
    if !ips.is_empty() {
        fields.insert("status".into(), Value::Object(ips));
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        for name in ["managedFields", "resourceVersion", "uid", "generation", "selfLink", "finalizers"] {
            metadata.remove(name);
        }
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            // A copy of the whole object, including a Secret's values.
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// Replaces a Secret's values, except certificates, which are public. Private keys are replaced by new ones. Returns the number.
fn replace_values(secret: &mut Value) -> usize {
    let mut replaced = 0;
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let Some(Value::Object(values)) = secret.get_mut(field) else { continue };
        for value in values.values_mut() {
            let text = value.as_str().unwrap_or_default();
            let bytes = if encoded { STANDARD.decode(text).unwrap_or_default() } else { text.as_bytes().to_vec() };
            if pem::not_certificates(&bytes).is_none() {
                continue;
            }
            let is_key = String::from_utf8_lossy(&bytes).contains("PRIVATE KEY-----");
            let other = is_key.then(|| KeyPair::generate().ok()).flatten().map(|key| key.serialize_pem());
            let other = other.unwrap_or_else(|| "replaced".into());
            *value = Value::String(if encoded { STANDARD.encode(other) } else { other });
            replaced += 1;
        }
    }
    if let (true, Some(metadata)) = (replaced > 0, secret.get_mut("metadata").and_then(Value::as_object_mut)) {
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(VALUES_REPLACED.into(), "true".into());
        }
    }
    replaced
}
