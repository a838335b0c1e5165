//! What a policy or a Telemetry is for: pods, or what it is attached to (`validateOneOfSelectorType`, `validatePolicyTargetReference` in
//! `pkg/config/validation/validation.go`).

use super::Checked;
use crate::manifests::{authorization_policy::TargetRef, istio::WorkloadSelector};

/// The kinds that a policy can be attached to, with their groups.
const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

pub(super) fn check(
    checked: &mut Checked<'_>,
    pods: Option<&WorkloadSelector>,
    older: Option<&TargetRef>,
    targets: &[TargetRef],
) {
    let ways = [pods.is_some(), older.is_some(), !targets.is_empty()];
    if ways.iter().filter(|set| **set).count() > 1 {
        checked.error("spec", "has more than one of selector, targetRef and targetRefs; keep one");
    }
    selector(checked, pods);
    if let Some(older) = older {
        target(checked, "spec.targetRef", older);
    }
    for (i, one) in targets.iter().enumerate() {
        target(checked, &format!("spec.targetRefs[{i}]"), one);
    }
}

fn selector(checked: &mut Checked<'_>, selector: Option<&WorkloadSelector>) {
    let Some(WorkloadSelector { match_labels }) = selector else { return };
    if match_labels.is_empty() {
        let message = "has no labels: it is for the whole namespace (the whole mesh in the root namespace)";
        checked.warn("spec.selector", message);
    }
    checked.selector_labels("spec.selector.matchLabels", match_labels);
}

fn target(checked: &mut Checked<'_>, field: &str, target: &TargetRef) {
    if target.name.is_empty() {
        checked.error(format!("{field}.name"), "is missing; name what it is attached to");
    }
    if !target.namespace.is_empty() {
        checked.error(format!("{field}.namespace"), "must not be set: it is attached only in its own namespace");
    }
    let group = if target.group == "core" { "" } else { &target.group };
    if !TARGETS.contains(&(group, target.kind.as_str())) {
        let kinds =
            TARGETS.map(|(group, kind)| if group.is_empty() { kind.to_owned() } else { format!("{group}/{kind}") });
        let found = if group.is_empty() { target.kind.clone() } else { format!("{group}/{}", target.kind) };
        checked.error(format!("{field}.kind"), format!("{found:?} is none of {}", kinds.join(", ")));
    }
}
