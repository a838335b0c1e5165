//! Documents of known kinds, as they were read: one list a kind, each in the order of documents.

pub mod destination_rule;
pub mod envoy_filter;
pub mod webhook;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Pod, Secret, Service, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kcr_networking_istio_io::v1::serviceentries::ServiceEntrySpec;
use kcr_security_istio_io::v1::peerauthentications::PeerAuthenticationSpec;

use self::{destination_rule::DestinationRuleSpec, envoy_filter::EnvoyFilterSpec, webhook::WebhookConfiguration};
use crate::{
    fault::At,
    model::{Age, ObjectName, Source},
};

/// All documents of all files, by kind.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// `v1` Namespace.
    pub namespaces: Vec<Object<Namespace>>,
    /// `v1` ServiceAccount.
    pub service_accounts: Vec<Object<ServiceAccount>>,
    /// `v1` Pod.
    pub pods: Vec<Object<Pod>>,
    /// `apps/v1` Deployment.
    pub deployments: Vec<Object<Deployment>>,
    /// `v1` Service.
    pub services: Vec<Object<Service>>,
    /// `v1` Secret.
    pub secrets: Vec<Object<Secret>>,
    /// `v1` ConfigMap.
    pub config_maps: Vec<Object<ConfigMap>>,
    /// `security.istio.io` PeerAuthentication.
    pub peer_authentications: Vec<Object<PeerAuthenticationSpec>>,
    /// `networking.istio.io` DestinationRule.
    pub destination_rules: Vec<Object<DestinationRuleSpec>>,
    /// `networking.istio.io` EnvoyFilter.
    pub envoy_filters: Vec<Object<EnvoyFilterSpec>>,
    /// `networking.istio.io` ServiceEntry.
    pub service_entries: Vec<Object<ServiceEntrySpec>>,
    /// `admissionregistration.k8s.io` ValidatingWebhookConfiguration and MutatingWebhookConfiguration.
    pub webhook_configurations: Vec<Object<WebhookConfiguration>>,
}

impl Manifests {
    /// What every document has, of all kinds.
    pub fn heads(&self) -> impl Iterator<Item = &Head> {
        let namespaces = self.namespaces.iter().map(|o| &o.head);
        namespaces
            .chain(self.service_accounts.iter().map(|o| &o.head))
            .chain(self.pods.iter().map(|o| &o.head))
            .chain(self.deployments.iter().map(|o| &o.head))
            .chain(self.services.iter().map(|o| &o.head))
            .chain(self.secrets.iter().map(|o| &o.head))
            .chain(self.config_maps.iter().map(|o| &o.head))
            .chain(self.peer_authentications.iter().map(|o| &o.head))
            .chain(self.destination_rules.iter().map(|o| &o.head))
            .chain(self.envoy_filters.iter().map(|o| &o.head))
            .chain(self.service_entries.iter().map(|o| &o.head))
            .chain(self.webhook_configurations.iter().map(|o| &o.head))
    }
}

/// One document.
#[derive(Clone, Debug)]
pub struct Object<T> {
    /// What every document has.
    pub head: Head,
    /// The document, or of Istio's kinds its `spec`.
    pub body: T,
}

/// What every document has.
#[derive(Clone, Debug)]
pub struct Head {
    /// Where it stands.
    pub source: Source,
    /// Its kind.
    pub kind: &'static str,
    /// Its name; the namespace is `default` where none is given, and empty for kinds that have none.
    pub name: ObjectName,
    /// How old it is.
    pub age: Age,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Head {
    pub(crate) fn new(kind: &'static str, namespaced: bool, meta: ObjectMeta, source: Source, order: usize) -> Self {
        let namespace = if namespaced { meta.namespace.unwrap_or_else(|| "default".into()) } else { String::new() };
        Self {
            source,
            kind,
            name: ObjectName { namespace, name: meta.name.unwrap_or_default() },
            age: Age { created: meta.creation_timestamp.map(|t| t.0.as_second()), order },
            labels: meta.labels.unwrap_or_default(),
            annotations: meta.annotations.unwrap_or_default(),
        }
    }

    /// `KIND NAMESPACE/NAME`, or `KIND NAME` for kinds without namespaces.
    pub fn full_name(&self) -> String {
        match self.name.namespace.as_str() {
            "" => format!("{} {}", self.kind, self.name.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name.name),
        }
    }
}

impl At for Head {
    fn place(&self) -> (&Source, String) {
        (&self.source, format!("{} {}", self.kind, self.name.name))
    }
}

impl<T> At for Object<T> {
    fn place(&self) -> (&Source, String) {
        self.head.place()
    }
}
