//! Webhook configurations of both kinds, as one.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};

/// A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration.
#[derive(Clone, Debug)]
pub struct WebhookConfiguration {
    /// Whether its webhooks may change objects.
    pub mutating: bool,
    /// Its webhooks. Mutating ones have the same fields and one more, which is kept apart.
    pub webhooks: Vec<ValidatingWebhook>,
    /// `reinvocationPolicy` of each webhook, where they are mutating.
    pub reinvocation_policies: Vec<Option<String>>,
}

impl From<ValidatingWebhookConfiguration> for WebhookConfiguration {
    fn from(configuration: ValidatingWebhookConfiguration) -> Self {
        let webhooks = configuration.webhooks.unwrap_or_default();
        Self { mutating: false, webhooks, reinvocation_policies: Vec::new() }
    }
}

impl From<MutatingWebhookConfiguration> for WebhookConfiguration {
    fn from(configuration: MutatingWebhookConfiguration) -> Self {
        let webhooks = configuration.webhooks.unwrap_or_default();
        let reinvocation_policies = webhooks.iter().map(|hook| hook.reinvocation_policy.clone()).collect();
        Self { mutating: true, webhooks: webhooks.into_iter().map(as_validating).collect(), reinvocation_policies }
    }
}

fn as_validating(hook: MutatingWebhook) -> ValidatingWebhook {
    ValidatingWebhook {
        admission_review_versions: hook.admission_review_versions,
        client_config: hook.client_config,
        failure_policy: hook.failure_policy,
        match_conditions: hook.match_conditions,
        match_policy: hook.match_policy,
        name: hook.name,
        namespace_selector: hook.namespace_selector,
        object_selector: hook.object_selector,
        rules: hook.rules,
        side_effects: hook.side_effects,
        timeout_seconds: hook.timeout_seconds,
    }
}
