//! Admission webhooks, and checks of their services.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhook;

use crate::{
    fault::Faults,
    load::nearest,
    manifests::{Manifests, Object, webhook::WebhookConfiguration},
    model::{FailurePolicy, ObjectName, Service, Webhook, WebhookPlace, host_and_port},
};

#[cfg(test)]
mod tests;

pub(super) fn resolve(manifests: &Manifests, services: &[Service], faults: &mut Faults) -> Vec<Webhook> {
    let mut webhooks = Vec::new();
    for configuration in &manifests.webhook_configurations {
        for (i, hook) in configuration.body.webhooks.iter().enumerate() {
            let field = format!("webhooks[{i}]");
            // A missing address was reported before.
            let Some(place) = place(hook) else { continue };
            warn(configuration, &field, &place, services, faults);
            webhooks.push(webhook(configuration, &field, hook, place));
        }
    }
    webhooks
}

fn webhook(
    configuration: &Object<WebhookConfiguration>,
    field: &str,
    hook: &ValidatingWebhook,
    place: WebhookPlace,
) -> Webhook {
    let bundle = hook.client_config.ca_bundle.as_ref().map(|bundle| bundle.0.clone());
    Webhook {
        name: hook.name.clone(),
        configuration: configuration.head.name.name.clone(),
        mutating: configuration.body.mutating,
        place,
        ca_bundle: bundle.filter(|bundle| !bundle.is_empty()),
        failure_policy: match hook.failure_policy.as_deref() {
            Some("Ignore") => FailurePolicy::Ignore,
            _ => FailurePolicy::Fail,
        },
        timeout_seconds: hook.timeout_seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(10),
        source: configuration.head.source.at(field),
    }
}

fn place(hook: &ValidatingWebhook) -> Option<WebhookPlace> {
    let config = &hook.client_config;
    let path = |path: Option<&str>| path.filter(|path| !path.is_empty()).unwrap_or("/").to_owned();
    match (&config.service, &config.url) {
        (Some(service), _) => {
            let name = ObjectName { namespace: service.namespace.clone(), name: service.name.clone() };
            let port = service.port.map_or(Some(443), |port| port.try_into().ok())?;
            Some(WebhookPlace::Service { name, port, path: path(service.path.as_deref()) })
        }
        (None, Some(url)) => {
            let rest = url.strip_prefix("https://")?;
            let (host, port) = host_and_port(rest)?;
            Some(WebhookPlace::Url { host, port, path: path(rest.find('/').map(|at| &rest[at..])) })
        }
        (None, None) => None,
    }
}

/// Warns about missing services, which the API server accepts: every call fails.
fn warn(
    configuration: &Object<WebhookConfiguration>,
    field: &str,
    place: &WebhookPlace,
    services: &[Service],
    faults: &mut Faults,
) {
    let WebhookPlace::Service { name, port, .. } = place else { return };
    let field = format!("{field}.clientConfig.service");
    let Some(service) = services.iter().find(|service| service.name == *name) else {
        let known: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
        let message = match nearest(&name.to_string(), known.iter().map(String::as_str)) {
            Some(meant) => format!("service {name} does not exist: every call fails; did you mean {meant}?"),
            None => format!("service {name} does not exist: every call fails"),
        };
        return faults.warn(configuration, format!("{field}.name"), message);
    };
    if !service.ports.iter().any(|known| known.port == *port) {
        let known: Vec<String> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let message = format!("service {name} has no port {port}: every call fails; it has {}", known.join(", "));
        faults.warn(configuration, format!("{field}.port"), message);
    }
}
