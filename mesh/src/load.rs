//! Reading manifests: YAML text into documents of known kinds, with every fault that a document shows by itself.

mod metadata;
mod typed;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    fault::{At, Fault, Faults},
    manifests::{Head, Manifests, Object, webhook::WebhookConfiguration},
    model::Source,
    validate,
};

pub(crate) use self::{
    metadata::{is_dns_label, is_dns_subdomain, is_port_name, label_fault},
    typed::{nearest, read},
};

/// A manifest file, or what came in on standard input.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The name that faults and explanations use.
    pub name: String,
    /// YAML (or JSON, which is YAML), one document or several.
    pub text: String,
}

/// What files hold.
#[derive(Debug)]
pub struct Loaded {
    /// The documents that could be read.
    pub manifests: Manifests,
    /// What is wrong with them, in order of place. With an error among them the manifests should not be used.
    pub faults: Vec<Fault>,
    /// Whether every document could be read, be it with faults: only then does what is missing mean anything.
    pub complete: bool,
}

impl Loaded {
    /// Whether any fault is an error.
    pub fn has_errors(&self) -> bool {
        self.faults.iter().any(Fault::is_error)
    }
}

/// Reads manifest files as `kubectl apply` would, and checks each document as the API server and Istio's webhook would.
///
/// Unknown fields, ill-typed ones and kinds that are not supported are faults: nothing is skipped.
pub fn load(files: &[SourceFile]) -> Loaded {
    let mut reader = Reader::default();
    for file in files {
        for document in yaml::documents(&file.text) {
            let source = Source { file: file.name.clone(), document: document.number, field: String::new() };
            match document.content {
                Ok(value) => reader.read(value, source),
                Err(e) => {
                    reader.unread += 1;
                    reader.faults.error(&Unnamed(source), "", e);
                }
            }
        }
    }
    let Reader { manifests, mut faults, order, unread, .. } = reader;
    validate::validate(&manifests, &mut faults);
    let complete = unread == 0 && manifests.heads().count() == order;
    Loaded { manifests, faults: faults.sorted(), complete }
}

/// The kinds that are supported, for the fault that names one that isn't.
const SUPPORTED: &str = "Namespace, ServiceAccount, Pod, Deployment, Service, Secret, ConfigMap, PeerAuthentication, DestinationRule, EnvoyFilter, ServiceEntry, \
     ValidatingWebhookConfiguration, MutatingWebhookConfiguration";

/// The kinds among them whose objects are in no namespace.
const CLUSTER_SCOPED: [&str; 3] = ["Namespace", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];

#[derive(Default)]
struct Reader {
    manifests: Manifests,
    faults: Faults,
    /// How many documents there were.
    order: usize,
    /// How many were not even YAML.
    unread: usize,
    /// Where each object stands, to find a second one of the same name.
    seen: BTreeMap<String, Source>,
}

impl Reader {
    fn read(&mut self, value: Value, source: Source) {
        self.order += 1;
        let Value::Object(fields) = &value else {
            return self.faults.error(
                &Unnamed(source),
                "",
                "not a Kubernetes object: a mapping with apiVersion, kind and metadata was expected",
            );
        };
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let (api_version, kind) = match (text("apiVersion"), text("kind")) {
            (Some(api_version), Some(kind)) => (api_version, kind),
            (None, _) => {
                return self.faults.error(
                    &Unnamed(source),
                    "apiVersion",
                    "is missing; say which API the object is of, such as v1",
                );
            }
            (_, None) => {
                return self.faults.error(
                    &Unnamed(source),
                    "kind",
                    "is missing; say which kind of object it is, such as Service",
                );
            }
        };
        match (api_version.as_str(), kind.as_str()) {
            ("v1", "Namespace") => self.keep("Namespace", value, source, |m| &mut m.namespaces),
            ("v1", "ServiceAccount") => self.keep("ServiceAccount", value, source, |m| &mut m.service_accounts),
            ("v1", "Pod") => self.keep("Pod", value, source, |m| &mut m.pods),
            ("apps/v1", "Deployment") => self.keep("Deployment", value, source, |m| &mut m.deployments),
            ("v1", "Service") => self.keep("Service", value, source, |m| &mut m.services),
            ("v1", "Secret") => self.keep("Secret", without_line_breaks(value), source, |m| &mut m.secrets),
            ("v1", "ConfigMap") => self.keep("ConfigMap", value, source, |m| &mut m.config_maps),
            ("security.istio.io/v1" | "security.istio.io/v1beta1", "PeerAuthentication") => {
                self.keep_spec("PeerAuthentication", value, source, |m| &mut m.peer_authentications);
            }
            (
                "networking.istio.io/v1" | "networking.istio.io/v1beta1" | "networking.istio.io/v1alpha3",
                "DestinationRule",
            ) => {
                self.keep_destination_rule(value, source);
            }
            (
                "networking.istio.io/v1" | "networking.istio.io/v1beta1" | "networking.istio.io/v1alpha3",
                "ServiceEntry",
            ) => {
                self.keep_spec("ServiceEntry", value, source, |m| &mut m.service_entries);
            }
            ("networking.istio.io/v1alpha3", "EnvoyFilter") => {
                self.keep_spec("EnvoyFilter", value, source, |m| &mut m.envoy_filters);
            }
            ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration") => {
                self.keep_webhooks::<ValidatingWebhookConfiguration>("ValidatingWebhookConfiguration", value, source);
            }
            ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration") => {
                self.keep_webhooks::<MutatingWebhookConfiguration>("MutatingWebhookConfiguration", value, source);
            }
            _ => {
                let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                let at = Named(source, format!("{kind} {name}"));
                self.faults.error(&at, "kind", unsupported(&api_version, &kind));
            }
        }
    }

    /// Keeps a whole document.
    fn keep<T: DeserializeOwned>(
        &mut self,
        kind: &'static str,
        value: Value,
        source: Source,
        list: fn(&mut Manifests) -> &mut Vec<Object<T>>,
    ) {
        if let Some(head) = self.head(kind, &value, source)
            && let Some(body) = self.typed(&head, value)
        {
            list(&mut self.manifests).push(Object { head, body });
        }
    }

    /// Keeps a document's `spec`.
    fn keep_spec<S: DeserializeOwned + Default>(
        &mut self,
        kind: &'static str,
        value: Value,
        source: Source,
        list: fn(&mut Manifests) -> &mut Vec<Object<S>>,
    ) {
        if let Some(head) = self.head(kind, &value, source)
            && let Some(body) = self.typed::<CustomResource<S>>(&head, value)
        {
            list(&mut self.manifests).push(Object { head, body: body.spec });
        }
    }

    /// Keeps a DestinationRule: checked as the generated type that knows all of its fields, read as one that is easier to use.
    fn keep_destination_rule(&mut self, value: Value, source: Source) {
        let spec = value.get("spec").cloned().unwrap_or_default();
        if let Some(head) = self.head("DestinationRule", &value, source)
            && self
                .typed::<CustomResource<kcr_networking_istio_io::v1::destinationrules::DestinationRuleSpec>>(
                    &head, value,
                )
                .is_some()
        {
            match read(spec) {
                Ok((body, _)) => self.manifests.destination_rules.push(Object { head, body }),
                Err(e) => self.faults.error(&head, format!("spec.{}", e.path), e.message),
            }
        }
    }

    /// Keeps a webhook configuration of either kind.
    fn keep_webhooks<T>(&mut self, kind: &'static str, mut value: Value, source: Source)
    where
        T: DeserializeOwned + Into<WebhookConfiguration>,
    {
        for hook in value.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(bundle) = hook.pointer_mut("/clientConfig/caBundle") {
                strip_line_breaks(bundle);
            }
        }
        if let Some(head) = self.head(kind, &value, source)
            && let Some(body) = self.typed::<T>(&head, value)
        {
            self.manifests.webhook_configurations.push(Object { head, body: body.into() });
        }
    }

    fn typed<T: DeserializeOwned>(&mut self, head: &Head, value: Value) -> Option<T> {
        match read(value) {
            Ok((typed, unknown)) => {
                for field in unknown {
                    self.faults.error(head, field.path, field.message);
                }
                Some(typed)
            }
            Err(e) if head.kind == "Secret" && e.path.starts_with("data.") => {
                let message = format!("is not base64 ({}); write plain text under stringData instead", e.message);
                self.faults.error(head, e.path, message);
                None
            }
            Err(e) if e.path.ends_with(".caBundle") => {
                let message = format!("is not base64 ({}); it is PEM, encoded in base64", e.message);
                self.faults.error(head, e.path, message);
                None
            }
            Err(e) => {
                self.faults.error(head, e.path, e.message);
                None
            }
        }
    }

    /// Reads `metadata`, and checks that the object has a name that is right for its kind and its alone.
    fn head(&mut self, kind: &'static str, value: &Value, source: Source) -> Option<Head> {
        let meta = value.get("metadata").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let meta: ObjectMeta = match read(meta) {
            Ok((meta, _)) => meta, // its unknown fields are found with the whole document's
            Err(e) => {
                let at = Named(source, kind.to_owned());
                self.faults.error(&at, format!("metadata.{}", e.path), e.message);
                return None;
            }
        };
        let namespaced = !CLUSTER_SCOPED.contains(&kind);
        if !namespaced && meta.namespace.is_some() {
            let at = Named(source.clone(), kind.to_owned());
            self.faults.error(&at, "metadata.namespace", format!("a {kind} is in no namespace; remove the field"));
        }
        let head = Head::new(kind, namespaced, meta, source, self.order);
        for (field, message) in metadata::faults(&head) {
            self.faults.error(&head, field, message);
        }
        if let Some(first) = self.seen.insert(head.full_name(), head.source.clone()) {
            self.faults.error(
                &head,
                "metadata.name",
                format!("there is another {} at {first}; rename one", head.full_name()),
            );
            self.seen.insert(head.full_name(), first);
            return None;
        }
        Some(head)
    }
}

/// A Secret whose base64 is in one piece.
fn without_line_breaks(mut secret: Value) -> Value {
    let data = secret.get_mut("data").and_then(Value::as_object_mut);
    for value in data.into_iter().flat_map(|data| data.values_mut()) {
        strip_line_breaks(value);
    }
    secret
}

/// Puts base64 into one piece: the API server allows line breaks in it, the library does not.
fn strip_line_breaks(base64: &mut Value) {
    if let Value::String(text) = base64 {
        text.retain(|c| !matches!(c, '\n' | '\r'));
    }
}

/// What surrounds the `spec` of a custom resource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomResource<S> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "metadata", default)]
    _metadata: ObjectMeta,
    #[serde(default)]
    spec: S,
    /// Written by the control plane; nobody reads it here.
    #[serde(rename = "status", default)]
    _status: Option<Value>,
}

fn unsupported(api_version: &str, kind: &str) -> String {
    let kinds: BTreeSet<_> = SUPPORTED.split(", ").collect();
    if kinds.contains(kind) {
        return format!(
            "{api_version} {kind} is not an API that is known; {}",
            match kind {
                "Deployment" => "write apps/v1",
                "PeerAuthentication" => "write security.istio.io/v1",
                "DestinationRule" | "ServiceEntry" => "write networking.istio.io/v1",
                "EnvoyFilter" => "write networking.istio.io/v1alpha3",
                "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
                    "write admissionregistration.k8s.io/v1"
                }
                _ => "write v1",
            }
        );
    }
    match nearest(kind, kinds.iter().copied()) {
        Some(meant) => format!("{api_version} {kind} is not a kind that is known; did you mean {meant}?"),
        None => format!("{api_version} {kind} is not supported yet; supported are {SUPPORTED}"),
    }
}

/// A document without a kind and a name.
struct Unnamed(Source);

impl At for Unnamed {
    fn place(&self) -> (&Source, String) {
        (&self.0, String::new())
    }
}

/// A document of which only this is known.
struct Named(Source, String);

impl At for Named {
    fn place(&self) -> (&Source, String) {
        (&self.0, self.1.clone())
    }
}

#[cfg(test)]
mod tests;
