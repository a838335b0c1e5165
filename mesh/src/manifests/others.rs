//! Kinds that are not read, and whether they may matter here.

use serde_json::Value;

use super::{KINDS, Kind, Manifests, object::SetAside, typed::nearest};
use crate::fault::Faults;

const BLOCKS: &str = "it may block calls that are predicted as delivered";
const ROUTES: &str = "it may route calls elsewhere than predicted";
const AUTHORIZES: &str =
    "tokens are not verified here: with one it may let in calls that are predicted as refused, and refuse others (401)";
const MAKES_PODS: &str = "it makes pods that are not modelled";
const ENTERS: &str = "calls that enter the cluster through it are not predicted";
// Removed in Istio 1.6.
const FORMER_AUTHENTICATION: &str =
    "no Istio since 1.6 has this kind; write a PeerAuthentication, or a RequestAuthentication for JWT";
const FORMER_RBAC: &str = "no Istio since 1.6 has this kind; write an AuthorizationPolicy";

/// Kinds that may change an answer, by API group.
const DECISIVE: &[(&str, &str, &str)] = &[
    ("networking.k8s.io", "NetworkPolicy", BLOCKS),
    ("networking.k8s.io", "Ingress", ENTERS),
    ("policy.networking.k8s.io", "AdminNetworkPolicy", BLOCKS),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy", BLOCKS),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy", BLOCKS),
    ("crd.projectcalico.org", "NetworkPolicy", BLOCKS),
    ("crd.projectcalico.org", "GlobalNetworkPolicy", BLOCKS),
    ("projectcalico.org", "NetworkPolicy", BLOCKS),
    ("projectcalico.org", "GlobalNetworkPolicy", BLOCKS),
    ("cilium.io", "CiliumNetworkPolicy", BLOCKS),
    ("cilium.io", "CiliumClusterwideNetworkPolicy", BLOCKS),
    ("security.istio.io", "RequestAuthentication", AUTHORIZES),
    ("authentication.istio.io", "Policy", FORMER_AUTHENTICATION),
    ("authentication.istio.io", "MeshPolicy", FORMER_AUTHENTICATION),
    ("rbac.istio.io", "ClusterRbacConfig", FORMER_RBAC),
    ("rbac.istio.io", "RbacConfig", FORMER_RBAC),
    ("rbac.istio.io", "ServiceRole", FORMER_RBAC),
    ("rbac.istio.io", "ServiceRoleBinding", FORMER_RBAC),
    ("extensions.istio.io", "WasmPlugin", "it may answer or change requests"),
    ("extensions.istio.io", "TrafficExtension", "it may answer or change requests"),
    ("gateway.networking.k8s.io", "Gateway", "a gateway or a waypoint: calls through it are not predicted"),
    ("gateway.networking.k8s.io", "HTTPRoute", ROUTES),
    ("gateway.networking.k8s.io", "GRPCRoute", ROUTES),
    ("gateway.networking.k8s.io", "TCPRoute", ROUTES),
    ("gateway.networking.k8s.io", "TLSRoute", ROUTES),
    ("gateway.networking.k8s.io", "UDPRoute", ROUTES),
    ("gateway.networking.k8s.io", "ListenerSet", ENTERS),
    ("gateway.networking.k8s.io", "BackendTLSPolicy", "it may have gateways speak TLS to a service"),
    ("gateway.networking.x-k8s.io", "XBackendTrafficPolicy", ROUTES),
    ("multicluster.x-k8s.io", "ServiceImport", "it may be a service that calls go to"),
    ("argoproj.io", "Rollout", MAKES_PODS),
    ("apps.openshift.io", "DeploymentConfig", MAKES_PODS),
    ("serving.knative.dev", "Service", MAKES_PODS),
    ("apps.kruise.io", "CloneSet", MAKES_PODS),
    ("kubevirt.io", "VirtualMachine", MAKES_PODS),
    ("kubevirt.io", "VirtualMachineInstance", MAKES_PODS),
];

/// The kinds of Kubernetes' and Istio's groups that do not matter here.
const OTHERS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Binding",
            "ComponentStatus",
            "Event",
            "LimitRange",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "PodTemplate",
            "ResourceQuota",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("apps", &["ControllerRevision"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("events.k8s.io", &["Event"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("gateway.networking.k8s.io", &["GatewayClass", "ReferenceGrant"]),
    ("networking.istio.io", &["WorkloadGroup"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["Eviction", "PodDisruptionBudget", "PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["CSIDriver", "CSINode", "CSIStorageCapacity", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"],
    ),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// What an object of a kind that is not read may change; `None` if it does not matter.
///
/// # Errors
/// If no server has such a kind. Kinds of other groups are custom resources, which are assumed to exist and not to matter.
pub(crate) fn may_change(api_version: &str, kind: &str) -> Result<Option<&'static str>, String> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if let Some((.., what)) = DECISIVE.iter().find(|(of, known, _)| (*of, *known) == (group, kind)) {
        return Ok(Some(*what));
    }
    let others = OTHERS.iter().find(|(of, _)| *of == group).map(|(_, kinds)| *kinds).unwrap_or_default();
    if others.contains(&kind) {
        return Ok(None);
    }
    let is_own_group = read_in(group).next().is_some()
        || OTHERS.iter().any(|(of, _)| *of == group)
        || DECISIVE.iter().any(|(of, ..)| *of == group && (of.ends_with(".k8s.io") || of.ends_with(".istio.io")))
        || group == "extensions";
    if let Some(known) = KINDS.iter().find(|known| known.name == kind) {
        if is_own_group {
            return Err(format!("{api_version} {kind} is not an API that is known; write {}", known.versions[0]));
        }
        if let Some(meant) = nearest(group, known.groups()).filter(|_| !group.is_empty()) {
            return Err(format!("{group} is not an API group that is known; did you mean {meant}?"));
        }
    }
    if !is_own_group {
        return Ok(None);
    }
    let in_group = read_in(group).map(|known| known.name).chain(others.iter().copied());
    let decisive = DECISIVE.iter().filter(|(of, ..)| *of == group).map(|(_, kind, _)| *kind);
    Err(match nearest(kind, in_group.chain(decisive)) {
        Some(meant) => format!("{api_version} {kind} is not a kind that is known; did you mean {meant}?"),
        None => format!("{api_version} {kind} is not a kind that is known"),
    })
}

/// What a route may change: one without a service among its parents is a gateway's.
pub(crate) fn narrowed(may_change: &'static str, spec: &Value) -> &'static str {
    let mut parents = spec.get("parentRefs").and_then(Value::as_array).into_iter().flatten();
    let is_service = |parent: &Value| {
        parent.get("kind").and_then(Value::as_str).is_some_and(|kind| matches!(kind, "Service" | "ServiceEntry"))
    };
    if may_change == ROUTES && !parents.any(is_service) { ENTERS } else { may_change }
}

/// The kinds of a group that are read.
fn read_in(group: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |known| known.groups().any(|of| of == group))
}

/// Warns once about each kind that may change an answer, at its first object.
pub(crate) fn warn(manifests: &Manifests, faults: &mut Faults) {
    let all = &manifests.set_aside;
    for (i, object) in all.iter().enumerate() {
        let Some(what) = object.may_change else { continue };
        let same = |other: &&SetAside| other.kind == object.kind && other.may_change == object.may_change;
        if all[..i].iter().any(|earlier| same(&earlier)) {
            continue;
        }
        let count = all.iter().filter(same).count();
        let more = if count > 1 { format!(" ({count} of this kind)") } else { String::new() };
        faults.set_aside(object, "kind", format!("is skipped{more}: {what}"));
    }
}

#[cfg(test)]
mod tests;
