//! Webhook configurations, by the API server's rules (`pkg/apis/admissionregistration/validation/validation.go`).

use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{RuleWithOperations, ServiceReference, ValidatingWebhook, WebhookClientConfig},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::Checked;
use crate::{
    fault::Faults,
    load::{is_dns_label, is_dns_subdomain},
    manifests::{Object, webhook::WebhookConfiguration},
    pem,
};

#[cfg(test)]
mod tests;

pub(super) fn validate(configuration: &Object<WebhookConfiguration>, faults: &mut Faults) {
    let mut checked = Checked::of(configuration, faults);
    let body = &configuration.body;
    for (i, hook) in body.webhooks.iter().enumerate() {
        webhook(&mut checked, &format!("webhooks[{i}]"), hook);
    }
    for (i, policy) in body.reinvocation_policies.iter().enumerate() {
        let field = format!("webhooks[{i}].reinvocationPolicy");
        one_of(&mut checked, &field, policy.as_deref(), &["Never", "IfNeeded"]);
        if policy.as_deref() == Some("IfNeeded") {
            checked.warn(field, "is taken for Never: no webhook is called twice here");
        }
    }
    let names = body.webhooks.iter().enumerate();
    checked.unique(names.map(|(i, hook)| (format!("webhooks[{i}].name"), hook.name.as_str())));
}

fn webhook(checked: &mut Checked<'_>, field: &str, hook: &ValidatingWebhook) {
    let at = |name: &str| format!("{field}.{name}");
    let name = &hook.name;
    if name.is_empty() {
        checked.error(at("name"), "is missing; such as pods.policy.example.com");
    } else if !is_dns_subdomain(name) || name.split('.').count() < 3 {
        let message =
            format!("{name:?} is not a webhook name: a domain of three parts or more, such as {name}.example.com");
        checked.error(at("name"), message);
    }
    client_config(checked, &at("clientConfig"), &hook.client_config);
    for (i, one) in hook.rules.iter().flatten().enumerate() {
        rule(checked, &at(&format!("rules[{i}]")), one);
    }
    one_of(checked, &at("failurePolicy"), hook.failure_policy.as_deref(), &["Fail", "Ignore"]);
    one_of(checked, &at("matchPolicy"), hook.match_policy.as_deref(), &["Exact", "Equivalent"]);
    match hook.side_effects.as_str() {
        "" => checked.error(at("sideEffects"), "is missing; write None or NoneOnDryRun"),
        written => one_of(checked, &at("sideEffects"), Some(written), &["None", "NoneOnDryRun"]),
    }
    let has = |wanted: &str| hook.admission_review_versions.iter().any(|version| version == wanted);
    match (has("v1"), has("v1beta1")) {
        (true, _) => {}
        (false, true) => {
            checked.warn(at("admissionReviewVersions"), "does not have v1, which is what is sent here nevertheless");
        }
        (false, false) if hook.admission_review_versions.is_empty() => {
            checked.error(at("admissionReviewVersions"), "is missing; write [v1]");
        }
        (false, false) => checked.error(at("admissionReviewVersions"), "has neither v1 nor v1beta1; write [v1]"),
    }
    let versions = hook.admission_review_versions.iter().enumerate();
    checked.unique(versions.map(|(i, version)| (at(&format!("admissionReviewVersions[{i}]")), version.as_str())));
    if let Some(seconds) = hook.timeout_seconds.filter(|seconds| !(1..=30).contains(seconds)) {
        checked.error(at("timeoutSeconds"), format!("{seconds} is out of range; a webhook has 1 to 30 seconds"));
    }
    for (name, one) in [("namespaceSelector", &hook.namespace_selector), ("objectSelector", &hook.object_selector)] {
        if let Some(one) = one {
            selector(checked, &at(name), one);
        }
    }
    if hook.match_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()) {
        checked.set_aside(
            &at("matchConditions"),
            "are CEL, which is not evaluated here: the webhook is called whatever they say",
        );
    }
}

fn client_config(checked: &mut Checked<'_>, field: &str, config: &WebhookClientConfig) {
    match (&config.service, &config.url) {
        (Some(reference), None) => service(checked, &format!("{field}.service"), reference),
        (None, Some(text)) => url(checked, &format!("{field}.url"), text),
        (Some(_), Some(_)) => checked.error(field, "has both service and url; give one of them"),
        (None, None) => checked.error(field, "has neither service nor url; give one of them"),
    }
    // The API server takes any bytes, and fails with each call: nobody can mean that.
    let field = format!("{field}.caBundle");
    let Some(ByteString(bundle)) = config.ca_bundle.as_ref().filter(|bundle| !bundle.0.is_empty()) else { return };
    if bundle.trim_ascii().is_empty() {
        checked.warn(field, "is a placeholder: every call of this webhook fails until something fills it in");
    } else if let Some(message) = pem::not_certificates(bundle) {
        checked.error(field, message);
    } else if let Some(message) = pem::not_valid_now(bundle) {
        checked.warn(field, format!("{message}: every call of this webhook fails"));
    }
}

fn service(checked: &mut Checked<'_>, field: &str, reference: &ServiceReference) {
    for (name, value) in [("name", &reference.name), ("namespace", &reference.namespace)] {
        if value.is_empty() {
            checked.error(format!("{field}.{name}"), "is missing");
        } else if !is_dns_label(value) {
            checked.error(format!("{field}.{name}"), format!("{value:?} is not a name of a {name}"));
        }
    }
    if let Some(port) = reference.port {
        checked.port(format!("{field}.port"), port);
    }
    if let Some(path) = reference.path.as_deref().filter(|path| !path.is_empty()) {
        if !path.starts_with('/') {
            checked.error(format!("{field}.path"), format!("{path:?} does not begin with /; write /{path}"));
        } else if path.contains(['?', '#']) || path.contains("//") {
            checked.error(format!("{field}.path"), format!("{path:?} has a query, a fragment or an empty part"));
        } else if let Some(part) = path.split('/').find(|part| !part.is_empty() && !is_dns_subdomain(part)) {
            let message = format!("{part:?} is not a part of a path: lower-case letters, digits, '-' and '.'");
            checked.error(format!("{field}.path"), message);
        }
    }
}

fn url(checked: &mut Checked<'_>, field: &str, url: &str) {
    let wrong = match url.split_once("://") {
        Some(("https", rest)) if rest.is_empty() || rest.starts_with('/') => "has no host",
        Some(("https", rest)) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
            "has a user name, which is not allowed"
        }
        Some(("https", _)) if url.contains('?') => "has a query, which is not allowed",
        Some(("https", _)) if url.contains('#') => "has a fragment, which is not allowed",
        Some(("https", rest)) if crate::model::host_and_port(rest).is_none() => "has no host with a port after it",
        Some(("https", _)) => return,
        _ => "is not HTTPS; an API server calls https:// alone",
    };
    checked.error(field, format!("{url:?} {wrong}"));
}

fn rule(checked: &mut Checked<'_>, field: &str, rule: &RuleWithOperations) {
    for (name, list) in [
        ("apiGroups", &rule.api_groups),
        ("apiVersions", &rule.api_versions),
        ("operations", &rule.operations),
        ("resources", &rule.resources),
    ] {
        let list = list.as_deref().unwrap_or_default();
        if list.is_empty() {
            checked.error(format!("{field}.{name}"), "is empty: the rule fits nothing");
        } else if list.len() > 1 && name != "resources" && list.iter().any(|entry| entry == "*") {
            checked.error(format!("{field}.{name}"), "has `*` and more; `*` stands alone");
        }
    }
    for operation in rule.operations.iter().flatten() {
        let known = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
        one_of(checked, &format!("{field}.operations"), Some(operation), &known);
    }
    one_of(checked, &format!("{field}.scope"), rule.scope.as_deref(), &["*", "Cluster", "Namespaced"]);
}

fn selector(checked: &mut Checked<'_>, field: &str, selector: &LabelSelector) {
    checked.labels(&format!("{field}.matchLabels"), selector.match_labels.iter().flatten());
    for (i, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let known = ["In", "NotIn", "Exists", "DoesNotExist"];
        let field = format!("{field}.matchExpressions[{i}]");
        one_of(checked, &format!("{field}.operator"), Some(&expression.operator), &known);
        let has_values = expression.values.as_ref().is_some_and(|values| !values.is_empty());
        if has_values != matches!(expression.operator.as_str(), "In" | "NotIn") {
            checked.error(format!("{field}.values"), "go with In and NotIn, and with these alone");
        }
    }
}

fn one_of(checked: &mut Checked<'_>, field: &str, written: Option<&str>, known: &[&str]) {
    if let Some(written) = written.filter(|written| !known.contains(written)) {
        checked.error(field, format!("{written:?} is not known; {} are", known.join(", ")));
    }
}
