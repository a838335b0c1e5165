//! Which webhooks are called: rules, `matchPolicy` and selectors (`plugin/webhook/predicates`).

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::configuration::{Configurations, Webhook};
use super::object::{OPERATION, Object, Version};

#[cfg(test)]
mod tests;

/// The object in the version that the webhook expects, if its rules and selectors match.
///
/// # Errors
///
/// The reason why they do not match.
pub(super) fn match_object(
    webhook: &Webhook,
    object: &Object,
    configurations: &Configurations,
) -> Result<Object, String> {
    let namespace = object.namespace();
    if !selects(webhook.hook.namespace_selector.as_ref(), &configurations.labels(&namespace)) {
        return Err(format!("namespaceSelector does not select namespace {namespace}"));
    }
    if !selects(webhook.hook.object_selector.as_ref(), &object.labels()) {
        return Err("objectSelector does not select the object".to_owned());
    }
    let rules = webhook.hook.rules.as_deref().unwrap_or_default();
    let exact = webhook.hook.match_policy.as_deref() == Some("Exact");
    let versions = object.version.equivalents().take(if exact { 1 } else { usize::MAX });
    let mut versions = versions.filter(|version| rules.iter().any(|rule| matches(rule, *version)));
    let version = versions.next().ok_or_else(|| {
        let (resource, api_version) = (object.version.resource_name(), object.version.api_version());
        format!("no rule fits {OPERATION} of {resource} in {api_version}")
    })?;
    Ok(object.converted(version))
}

fn matches(rule: &RuleWithOperations, version: Version) -> bool {
    let any =
        |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|entry| entry == "*" || entry == wanted);
    let resource = |entry: &String| {
        // A whole object has no subresource, but `pods/*` matches it, too.
        let (resource, sub) = entry.split_once('/').unwrap_or((entry, ""));
        (resource == "*" || resource == version.resource_name()) && matches!(sub, "" | "*")
    };
    any(&rule.operations, OPERATION)
        && any(&rule.api_groups, version.group)
        && any(&rule.api_versions, version.version)
        && rule.resources.iter().flatten().any(resource)
        && rule.scope.as_deref() != Some("Cluster")
}

/// Whether a selector matches labels. A missing or empty selector matches everything.
fn selects(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    let Some(selector) = selector else { return true };
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
