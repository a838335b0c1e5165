//! Deployments.

use std::collections::BTreeMap;

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::LabelSelector};

use super::{Checked, pod};
use crate::{
    fault::Faults,
    manifests::{Manifests, Object},
};

pub(super) fn validate(deployment: &Object<Deployment>, manifests: &Manifests, faults: &mut Faults) {
    let mut checked = Checked::of(deployment, faults);
    let Some(spec) = &deployment.body.spec else {
        return checked.error("spec", "is missing; a Deployment needs a selector and a template");
    };
    if spec.replicas.is_some_and(|replicas| replicas < 0) {
        checked.error("spec.replicas", "is negative");
    }
    let empty = BTreeMap::new();
    let labels = spec.template.metadata.as_ref().and_then(|meta| meta.labels.as_ref()).unwrap_or(&empty);
    checked.labels("spec.template.metadata.labels", labels);
    checked.labels("spec.selector.matchLabels", spec.selector.match_labels.iter().flatten());
    if spec.selector == LabelSelector::default() {
        checked.error("spec.selector", "is empty; write the labels of the template into matchLabels");
    } else if !matches(&spec.selector, labels) {
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let message = format!("does not match the template's labels ({}); they must agree", labels.join(","));
        checked.error("spec.selector", message);
    }
    match &spec.template.spec {
        None => checked.error("spec.template.spec", "is missing; a pod needs containers"),
        Some(pod_spec) => {
            if let Some(policy) = pod_spec.restart_policy.as_deref().filter(|policy| *policy != "Always") {
                let message = format!("{policy} is not allowed; the pods of a Deployment restart Always");
                checked.error("spec.template.spec.restartPolicy", message);
            }
            pod::validate(&mut checked, "spec.template.spec", pod_spec, manifests);
        }
    }
}

/// Whether a selector with its expressions matches labels.
fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|v| v == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && expressions
}
