//! The PeerAuthentication modes in force for a pod (`pilot/pkg/security/authn/policy_applier.go`).
//!
//! The mode starts as PERMISSIVE; then the policies of the mesh, the namespace and the workload each replace it unless theirs
//! is UNSET. In each scope only the oldest policy applies; policies are never merged.

use std::{collections::BTreeMap, num::NonZeroU16};

use super::{index::Index, selects};
use crate::{
    fault::Faults,
    manifests::{
        Manifests, Object,
        peer_authentication::{MutualTlsMode, PeerAuthenticationSpec as Spec},
    },
    model::{Decided, EffectivePeerAuthentication, MeshConfig, MtlsMode, Pod, PolicyHead, Service, Source},
};

/// All policies, by whom they are for.
pub(super) fn heads(manifests: &Manifests) -> Vec<PolicyHead> {
    let head = |policy: &Object<Spec>| PolicyHead {
        full_name: policy.head.full_name(),
        namespace: policy.head.name.namespace.clone(),
        selector: selector(policy).cloned(),
        age: policy.head.age.clone(),
        source: policy.head.source.clone(),
    };
    manifests.peer_authentications.iter().map(head).collect()
}

/// The modes in force for a pod of a namespace with these labels.
pub(super) fn effective(
    index: &Index<'_>,
    config: &MeshConfig,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> EffectivePeerAuthentication {
    let of_workload = of_workload(index, config.root_namespace.as_str(), namespace, labels);
    let namespace_level = of_namespace(index, config, namespace);
    let workload = of_workload.and_then(mode).unwrap_or_else(|| namespace_level.clone());
    let ports = of_workload.map(|policy| port_modes(policy, &workload)).unwrap_or_default();
    EffectivePeerAuthentication { workload, ports, namespace_level }
}

/// The mode by mesh and namespace, which automatic mTLS uses.
pub(super) fn of_namespace(index: &Index<'_>, config: &MeshConfig, namespace: &str) -> Decided {
    let root = config.root_namespace.as_str();
    let of_mesh = oldest(index.policies(root), |policy| selector(policy).is_none());
    let of_namespace = oldest(index.policies(namespace), |policy| selector(policy).is_none() && namespace != root);
    of_namespace.and_then(mode).or_else(|| of_mesh.and_then(mode)).unwrap_or_else(|| Decided {
        mode: MtlsMode::Permissive,
        by: "default".into(),
        source: Source::default_of("PeerAuthentication mode PERMISSIVE"),
    })
}

/// The policy with a selector that applies to pods with these labels. In the root namespace such a policy applies to no pod, not
/// even there.
fn of_workload<'m>(
    index: &Index<'m>,
    root: &str,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<&'m Object<Spec>> {
    oldest(index.policies(namespace), |policy| {
        namespace != root && selector(policy).is_some_and(|selector| selects(selector, labels))
    })
}

fn oldest<'m>(policies: &[&'m Object<Spec>], is_of_scope: impl Fn(&Object<Spec>) -> bool) -> Option<&'m Object<Spec>> {
    policies.iter().copied().filter(|policy| is_of_scope(policy)).min_by_key(|policy| &policy.head.age)
}

/// The mode of a policy for a whole workload; `None` if UNSET.
fn mode(policy: &Object<Spec>) -> Option<Decided> {
    Some(decided(policy, set(policy.body.mtls.as_ref()?.mode)?, "spec.mtls.mode"))
}

/// The modes of a policy for ports; UNSET inherits the workload's mode.
fn port_modes(policy: &Object<Spec>, workload: &Decided) -> BTreeMap<u16, Decided> {
    let ports = policy.body.port_level_mtls.iter().flatten().filter_map(|(port, mtls)| {
        let port: u16 = port.parse().ok()?;
        let own = set(mtls.mode).map(|mode| decided(policy, mode, &format!("spec.portLevelMtls[{port}].mode")));
        Some((port, own.unwrap_or_else(|| workload.clone())))
    });
    ports.collect()
}

/// The mode as written; `None` if UNSET.
fn set(mode: MutualTlsMode) -> Option<MtlsMode> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MtlsMode::Disable),
        MutualTlsMode::Permissive => Some(MtlsMode::Permissive),
        MutualTlsMode::Strict => Some(MtlsMode::Strict),
    }
}

fn decided(policy: &Object<Spec>, mode: MtlsMode, field: &str) -> Decided {
    Decided { mode, by: policy.head.full_name(), source: policy.head.source.at(field) }
}

/// A policy's selector; `None` if it selects a whole namespace.
fn selector(policy: &Object<Spec>) -> Option<&BTreeMap<String, String>> {
    Some(&policy.body.selector.as_ref()?.match_labels).filter(|labels| !labels.is_empty())
}

/// Warns about policies without effect, in whole or in part.
pub(super) fn warn(
    manifests: &Manifests,
    config: &MeshConfig,
    pods: &[Pod],
    services: &[Service],
    faults: &mut Faults,
) {
    let index = Index::new(manifests);
    for policy in &manifests.peer_authentications {
        match selector(policy) {
            Some(selector) => warn_workload(policy, selector, &index, &config.root_namespace, (pods, services), faults),
            None => warn_shadowed(policy, &index, faults),
        }
    }
}

fn warn_workload(
    policy: &Object<Spec>,
    selector: &BTreeMap<String, String>,
    index: &Index<'_>,
    root: &str,
    (pods, services): (&[Pod], &[Service]),
    faults: &mut Faults,
) {
    let namespace = &policy.head.name.namespace;
    if namespace == root {
        let message =
            "a policy with a selector in the root namespace applies to no pod; move it to the pods' namespace";
        return faults.warn(policy, "spec.selector", message);
    }
    let selected: Vec<_> =
        pods.iter().filter(|pod| pod.name.namespace == *namespace && selects(selector, &pod.labels)).collect();
    if selected.is_empty() {
        return faults.warn(policy, "spec.selector.matchLabels", format!("selects no pod of namespace {namespace}"));
    }
    let ports = policy.body.port_level_mtls.iter().flatten().filter_map(|(port, _)| port.parse().ok());
    for port in ports.map(NonZeroU16::get) {
        let declares = |pod: &&Pod| pod.containers.iter().flat_map(|c| &c.ports).any(|p| p.port == port);
        if selected.iter().any(declares) {
            continue;
        }
        // A program can listen on an undeclared port. But a service's port of that number with another target is probably a mistake.
        let is_selected = |pod: usize| pods.get(pod).is_some_and(|pod| selected.iter().any(|one| one.name == pod.name));
        let of_services = services.iter().filter(|service| service.name.namespace == *namespace);
        let mistaken =
            of_services.flat_map(|service| service.ports.iter().map(move |port| (service, port))).find_map(|(s, p)| {
                let endpoint = p.endpoints.iter().find(|endpoint| is_selected(endpoint.pod))?;
                (p.port == port && endpoint.port != port).then_some((s, endpoint.port))
            });
        if let Some((service, target)) = mistaken {
            let message = format!(
                "{port} is a port of service {}, which leads to container port {target}; the key is the container's port: write {target}",
                service.name.name
            );
            faults.warn(policy, format!("spec.portLevelMtls[{port}]"), message);
        }
    }
    let counts = |pod: &&Pod| {
        let chosen = of_workload(index, root, namespace, &pod.labels);
        chosen.is_some_and(|chosen| chosen.head.age == policy.head.age)
    };
    if !selected.iter().any(counts) {
        faults.warn(policy, "spec.selector", "an older policy selects the same pods, and only the oldest applies");
    }
}

/// Warns about policies without a selector that are not the oldest of their namespace.
fn warn_shadowed(policy: &Object<Spec>, index: &Index<'_>, faults: &mut Faults) {
    let namespace = index.policies(&policy.head.name.namespace);
    let older = namespace.iter().find(|other| selector(other).is_none() && other.head.age < policy.head.age);
    if let Some(older) = older {
        let message =
            format!("{} at {} is older, and only the oldest applies", older.head.full_name(), older.head.source);
        faults.warn(policy, "metadata.creationTimestamp", message);
    }
}

#[cfg(test)]
mod tests;
