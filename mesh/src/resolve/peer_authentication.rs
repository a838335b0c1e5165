//! Which PeerAuthentication modes are in force for a pod (`pilot/pkg/security/authn/policy_applier.go`).
//!
//! PERMISSIVE to begin with; then the mesh's policy, the namespace's and the workload's each replace the mode unless theirs
//! is UNSET. In each of these scopes only the oldest policy counts; they are never merged.

use std::{collections::BTreeMap, num::NonZeroU16};

use kcr_security_istio_io::v1::peerauthentications::{
    PeerAuthenticationMtlsMode as Mode, PeerAuthenticationPortLevelMtlsMode as PortMode, PeerAuthenticationSpec as Spec,
};

use super::selects;
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
    model::{Decided, EffectivePeerAuthentication, MeshConfig, MtlsMode, Pod, Source},
};

/// The modes in force for a pod of a namespace with these labels.
pub(super) fn effective(
    manifests: &Manifests,
    config: &MeshConfig,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> EffectivePeerAuthentication {
    let root = config.root_namespace.as_str();
    let of_mesh = oldest(manifests, |policy| selector(policy).is_none() && in_namespace(policy, root));
    let of_namespace = oldest(manifests, |policy| {
        selector(policy).is_none() && in_namespace(policy, namespace) && !in_namespace(policy, root)
    });
    let of_workload = of_workload(manifests, root, namespace, labels);

    let default = Decided {
        mode: MtlsMode::Permissive,
        by: "default".into(),
        source: Source::default_of("PeerAuthentication mode PERMISSIVE"),
    };
    let mesh = of_mesh.and_then(mode).unwrap_or(default);
    let namespace_level = of_namespace.and_then(mode).unwrap_or(mesh);
    let workload = of_workload.and_then(mode).unwrap_or_else(|| namespace_level.clone());
    let ports = of_workload.map(|policy| port_modes(policy, &workload)).unwrap_or_default();
    EffectivePeerAuthentication { workload, ports, namespace_level }
}

/// The one policy that counts for the pods with these labels in particular. One with a selector in the root namespace counts
/// for nobody, not even for the pods there.
fn of_workload<'m>(
    manifests: &'m Manifests,
    root: &str,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<&'m Object<Spec>> {
    oldest(manifests, |policy| {
        in_namespace(policy, namespace)
            && !in_namespace(policy, root)
            && selector(policy).is_some_and(|selector| selects(selector, labels))
    })
}

fn oldest(manifests: &Manifests, is_of_scope: impl Fn(&Object<Spec>) -> bool) -> Option<&Object<Spec>> {
    manifests.peer_authentications.iter().filter(|policy| is_of_scope(policy)).min_by_key(|policy| &policy.head.age)
}

/// What a policy says of a whole workload; nothing when UNSET.
fn mode(policy: &Object<Spec>) -> Option<Decided> {
    let mode = match policy.body.mtls.as_ref()?.mode.as_ref()? {
        Mode::Unset => return None,
        Mode::Disable => MtlsMode::Disable,
        Mode::Permissive => MtlsMode::Permissive,
        Mode::Strict => MtlsMode::Strict,
    };
    Some(decided(policy, mode, "spec.mtls.mode"))
}

/// What a policy says of ports; UNSET there takes the mode of the whole workload.
fn port_modes(policy: &Object<Spec>, workload: &Decided) -> BTreeMap<u16, Decided> {
    let ports = policy.body.port_level_mtls.iter().flatten().filter_map(|(port, mtls)| {
        let port: u16 = port.parse().ok()?;
        let mode = match mtls.mode {
            None | Some(PortMode::Unset) => return Some((port, workload.clone())),
            Some(PortMode::Disable) => MtlsMode::Disable,
            Some(PortMode::Permissive) => MtlsMode::Permissive,
            Some(PortMode::Strict) => MtlsMode::Strict,
        };
        Some((port, decided(policy, mode, &format!("spec.portLevelMtls[{port}].mode"))))
    });
    ports.collect()
}

fn decided(policy: &Object<Spec>, mode: MtlsMode, field: &str) -> Decided {
    Decided { mode, by: policy.head.full_name(), source: policy.head.source.at(field) }
}

/// A policy's selector; nothing when it selects a whole namespace.
fn selector(policy: &Object<Spec>) -> Option<&BTreeMap<String, String>> {
    policy.body.selector.as_ref()?.match_labels.as_ref().filter(|labels| !labels.is_empty())
}

fn in_namespace(policy: &Object<Spec>, namespace: &str) -> bool {
    policy.head.name.namespace == namespace
}

/// Warns of policies that decide nothing, in whole or in part.
pub(super) fn warn(manifests: &Manifests, config: &MeshConfig, pods: &[Pod], faults: &mut Faults) {
    for policy in &manifests.peer_authentications {
        match selector(policy) {
            Some(selector) => warn_workload(policy, selector, manifests, &config.root_namespace, pods, faults),
            None => warn_shadowed(policy, manifests, faults),
        }
    }
}

fn warn_workload(
    policy: &Object<Spec>,
    selector: &BTreeMap<String, String>,
    manifests: &Manifests,
    root: &str,
    pods: &[Pod],
    faults: &mut Faults,
) {
    let namespace = &policy.head.name.namespace;
    if namespace == root {
        let message =
            "a policy with a selector in the root namespace is in force for no pod; move it to the pods' namespace";
        return faults.warn(policy, "spec.selector", message);
    }
    let selected: Vec<_> =
        pods.iter().filter(|pod| pod.name.namespace == *namespace && selects(selector, &pod.labels)).collect();
    if selected.is_empty() {
        return faults.warn(policy, "spec.selector.matchLabels", format!("selects no pod of namespace {namespace}"));
    }
    let ports = policy.body.port_level_mtls.iter().flatten().filter_map(|(port, _)| port.parse().ok());
    for port in ports.map(NonZeroU16::get) {
        let has = |pod: &&Pod| pod.containers.iter().flat_map(|c| &c.ports).any(|p| p.port == port);
        let declares_none = |pod: &&Pod| pod.containers.iter().all(|c| c.ports.is_empty());
        if !selected.iter().any(|pod| has(pod) || declares_none(pod)) {
            let known: Vec<_> = selected
                .iter()
                .flat_map(|p| &p.containers)
                .flat_map(|c| &c.ports)
                .map(|p| p.port.to_string())
                .collect();
            let message = format!(
                "no container of the pods it selects has port {port}, only {}; the key is the container's port, not the service's",
                known.join(", ")
            );
            faults.warn(policy, format!("spec.portLevelMtls[{port}]"), message);
        }
    }
    let counts = |pod: &&Pod| {
        let chosen = of_workload(manifests, root, namespace, &pod.labels);
        chosen.is_some_and(|chosen| chosen.head.age == policy.head.age)
    };
    if !selected.iter().any(counts) {
        faults.warn(policy, "spec.selector", "an older policy selects the same pods, and only the oldest counts");
    }
}

/// Only the oldest policy of a namespace without a selector counts.
fn warn_shadowed(policy: &Object<Spec>, manifests: &Manifests, faults: &mut Faults) {
    let older = manifests.peer_authentications.iter().find(|other| {
        selector(other).is_none()
            && other.head.name.namespace == policy.head.name.namespace
            && other.head.age < policy.head.age
    });
    if let Some(older) = older {
        let message =
            format!("{} at {} is older, and only the oldest counts", older.head.full_name(), older.head.source);
        faults.warn(policy, "metadata.creationTimestamp", message);
    }
}

#[cfg(test)]
mod tests;
