//! Deployments and the other kinds that make pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Checked, Known, pod};
use crate::{
    fault::Faults,
    manifests::{Object, matches, workload::Workload},
};

pub(super) fn validate(object: &Object<Workload>, known: &Known<'_>, faults: &mut Faults) {
    let mut checked = Checked::of(object, faults);
    let (kind, workload) = (object.head.kind, &object.body);
    if workload.replicas < 0 {
        checked.error("spec.replicas", "is negative");
    }
    let empty = BTreeMap::new();
    let labels = workload.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref()).unwrap_or(&empty);
    let template = workload.template_field;
    checked.labels(&format!("{template}metadata.labels"), labels);
    // A Job finds its pods by a label that the API server makes up.
    if let Some(selector) = workload.selector.as_ref().filter(|_| !workload.ends) {
        checked.labels("spec.selector.matchLabels", selector.match_labels.iter().flatten());
        let LabelSelector { match_labels, match_expressions } = selector;
        let has_none = match_labels.as_ref().is_none_or(BTreeMap::is_empty)
            && match_expressions.as_ref().is_none_or(Vec::is_empty);
        if has_none {
            checked.error("spec.selector", "is empty; write the labels of the template into matchLabels");
        } else if !matches(selector, labels) {
            let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let message = format!("does not match the template's labels ({}); they must agree", labels.join(","));
            checked.error("spec.selector", message);
        }
    }
    let field = format!("{template}spec");
    let Some(spec) = &workload.template.spec else {
        return checked.error(field, "is missing; a pod needs containers");
    };
    let policy = spec.restart_policy.as_deref().filter(|policy| !policy.is_empty());
    if let Some(policy) = policy.filter(|policy| *policy != "Always" && !workload.ends) {
        let message = format!("{policy} is not allowed; the pods of a {kind} restart Always");
        checked.error(format!("{field}.restartPolicy"), message);
    }
    if workload.ends && !matches!(policy, Some("Never" | "OnFailure")) {
        checked.error(format!("{field}.restartPolicy"), format!("is missing; a {kind} needs Never or OnFailure"));
    }
    pod::validate(&mut checked, &field, spec, &workload.claims, known);
}
