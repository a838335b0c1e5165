//! AuthorizationPolicies, in the order in which istiod looks at them, and those that are for nobody.

use super::selects;
use crate::{
    fault::Faults,
    manifests::{
        Manifests, Object,
        authorization_policy::{Action, AuthorizationPolicySpec as Spec},
    },
    model::{AuthorizationPolicy, DRY_RUN, KnownHosts, MeshConfig, MissingProvider, Pod, ProviderKind, parse_bool},
};

/// All policies, the oldest first (`GetAuthorizationPolicies` in `pilot/pkg/model/authorization.go`).
pub(super) fn resolve(manifests: &Manifests, config: &MeshConfig, hosts: KnownHosts<'_>) -> Vec<AuthorizationPolicy> {
    let mut policies: Vec<_> = manifests.authorization_policies.iter().collect();
    policies.sort_by_key(|policy| &policy.head.age);
    policies.into_iter().map(|policy| resolved(policy, config, hosts)).collect()
}

fn resolved(policy: &Object<Spec>, config: &MeshConfig, hosts: KnownHosts<'_>) -> AuthorizationPolicy {
    let spec = &policy.body;
    AuthorizationPolicy {
        name: policy.head.name.clone(),
        action: spec.action,
        missing_provider: missing_provider(spec, config, hosts),
        dry_run: policy.head.annotations.get(DRY_RUN).and_then(|text| parse_bool(text)).unwrap_or(false),
        selector: spec.selector.as_ref().map(|selector| selector.match_labels.clone()).unwrap_or_default(),
        targets: spec.targets().cloned().collect(),
        rules: spec.rules.iter().flatten().flatten().cloned().collect(),
        source: policy.head.source.clone(),
    }
}

/// The provider of a CUSTOM policy, if it can't be asked (`processExtensionProvider` in
/// `pilot/pkg/security/authz/builder/extauthz.go`).
fn missing_provider(spec: &Spec, config: &MeshConfig, hosts: KnownHosts<'_>) -> Option<MissingProvider> {
    let name = &spec.provider.as_ref().filter(|_| spec.action == Action::Custom)?.name;
    let provider = config.providers.iter().find(|provider| provider.name == *name);
    let reason = match provider.map(|provider| &provider.kind) {
        Some(ProviderKind::Authorizer { service }) => hosts.find(service).err()?.to_string(),
        Some(_) => "does not authorize".into(),
        None => "is not in MeshConfig".into(),
    };
    Some(MissingProvider { name: name.clone(), reason })
}

/// Warns about policies that are for no sidecar, and about what is not modelled.
pub(super) fn warn(
    manifests: &Manifests,
    config: &MeshConfig,
    pods: &[Pod],
    hosts: KnownHosts<'_>,
    faults: &mut Faults,
) {
    for policy in &manifests.authorization_policies {
        let namespace = &policy.head.name.namespace;
        let selector = policy.body.selector.as_ref().map(|selector| &selector.match_labels);
        let in_reach = |pod: &&Pod| *namespace == config.root_namespace || *namespace == pod.name.namespace;
        let mut selected = pods.iter().filter(in_reach).filter(|pod| selector.is_none_or(|s| selects(s, &pod.labels)));
        if policy.body.targets().next().is_some() {
            let message = "is for a waypoint or a gateway: no sidecar enforces the policy";
            faults.warn(
                policy,
                if policy.body.target_ref.is_some() { "spec.targetRef" } else { "spec.targetRefs" },
                message,
            );
        } else if selector.is_some_and(|selector| !selector.is_empty()) && selected.next().is_none() {
            let message = match *namespace == config.root_namespace {
                true => "selects no pod".to_owned(),
                false => format!("selects no pod of namespace {namespace}"),
            };
            faults.warn(policy, "spec.selector.matchLabels", message);
        }
        if let Some(MissingProvider { name, reason }) = missing_provider(&policy.body, config, hosts) {
            let message = format!("extension provider {name} {reason}: sidecars deny what the rules match");
            faults.warn(policy, "spec.provider.name", message);
        } else if policy.body.action == Action::Custom {
            let message =
                "is not modelled yet: what the external authorizer says is not asked, as if it allowed everything";
            faults.set_aside(&policy.head, "spec.action", message.to_owned());
        }
    }
}
