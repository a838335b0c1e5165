//! Webhook configurations and namespace labels from manifests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Namespace;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::UsageError;

/// The relevant parts of the manifests.
pub(super) struct Configurations {
    /// In the order in which an API server calls them: by the names of their configurations, then as listed.
    pub(super) webhooks: Vec<Webhook>,
    /// Labels of namespaces, by name.
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

pub(super) struct Webhook {
    pub(super) configuration: String,
    pub(super) mutating: bool,
    pub(super) failure_policy: FailurePolicy,
    /// Mutating webhooks have the same fields, and `reinvocationPolicy`.
    pub(super) hook: ValidatingWebhook,
}

/// What happens to a request if a webhook fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailurePolicy {
    /// It fails, too.
    Fail,
    /// It continues.
    Ignore,
}

impl Configurations {
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, UsageError> {
        let mut configurations = Self { webhooks: Vec::new(), namespaces: BTreeMap::new() };
        for file in files {
            for document in documents(file)? {
                configurations.add(document).map_err(|why| UsageError(format!("{}: {why}", file.display())))?;
            }
        }
        configurations.webhooks.sort_by(|a, b| a.configuration.cmp(&b.configuration));
        Ok(configurations)
    }

    /// Adds a document. Kinds that do not matter for admission are ignored.
    fn add(&mut self, document: Value) -> Result<(), String> {
        match document.get("kind").and_then(Value::as_str) {
            Some("Namespace") => {
                let Namespace { metadata, .. } = typed(document)?;
                let name = metadata.name.unwrap_or_default();
                self.namespaces.insert(name, metadata.labels.unwrap_or_default());
            }
            Some("ValidatingWebhookConfiguration") => {
                let ValidatingWebhookConfiguration { metadata, webhooks } = typed(document)?;
                for hook in webhooks.unwrap_or_default() {
                    self.webhooks.push(Webhook::new(metadata.name.as_deref(), false, hook)?);
                }
            }
            Some("MutatingWebhookConfiguration") => {
                let MutatingWebhookConfiguration { metadata, webhooks } = typed(document)?;
                for hook in webhooks.unwrap_or_default() {
                    self.webhooks.push(Webhook::new(metadata.name.as_deref(), true, as_validating(hook))?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Labels of a namespace, including the name label that the API server adds.
    pub(super) fn labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let mut labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name".into(), namespace.into());
        labels
    }
}

impl Webhook {
    fn new(configuration: Option<&str>, mutating: bool, hook: ValidatingWebhook) -> Result<Self, String> {
        let name = &hook.name;
        if hook.match_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()) {
            return Err(format!("webhook {name:?}: matchConditions are CEL, which is not evaluated here; remove them"));
        }
        let failure_policy = match hook.failure_policy.as_deref() {
            None | Some("Fail") => FailurePolicy::Fail,
            Some("Ignore") => FailurePolicy::Ignore,
            Some(other) => return Err(format!("webhook {name:?}: failurePolicy {other:?} is neither Fail nor Ignore")),
        };
        Ok(Self { configuration: configuration.unwrap_or_default().into(), mutating, failure_policy, hook })
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

fn typed<T: DeserializeOwned>(document: Value) -> Result<T, String> {
    let name = format!("{} {}", document["kind"], document["metadata"]["name"]);
    serde_path_to_error::deserialize(document).map_err(|error| format!("{name}: {error}"))
}

/// The documents of a YAML or JSON file.
pub(super) fn documents(file: &Path) -> Result<Vec<Value>, UsageError> {
    let unreadable = |why: String| UsageError(format!("{}: {why}", file.display()));
    let text = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let mut text = text.as_slice();
    let documents = serde_saphyr::read::<_, Value>(&mut text);
    let whole = documents.filter(|document| !matches!(document, Ok(Value::Null))).collect::<Result<_, _>>();
    whole.map_err(|error| unreadable(format!("not YAML: {}", error.without_snippet())))
}
