//! Telemetries, the providers that they refer to, and which of them are for a pod.

use std::collections::BTreeMap;

use super::{
    attachment::is_attached,
    object::{ObjectName, Source},
    pod::Pod,
};
use crate::manifests::{
    authorization_policy::TargetRef,
    telemetry::{OpenTelemetryProvider, TelemetrySpec},
};

/// A Telemetry.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Its name.
    pub name: ObjectName,
    /// Which pods it selects, by their labels; all of its namespace if empty.
    pub selector: BTreeMap<String, String>,
    /// What it is attached to in place of pods.
    pub targets: Vec<TargetRef>,
    /// What it says.
    pub spec: TelemetrySpec,
    /// Its document.
    pub source: Source,
}

impl Telemetry {
    /// `Telemetry NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("Telemetry {}/{}", self.name.namespace, self.name.name)
    }

    /// Whether it is for a whole namespace.
    pub fn is_for_all(&self) -> bool {
        self.selector.is_empty() && self.targets.is_empty()
    }

    /// Whether it is for this pod alone, or for some pods of its namespace, and it is among them.
    pub fn is_for_some(&self, pod: &Pod) -> bool {
        let namespace = &self.name.namespace;
        !self.is_for_all()
            && *namespace == pod.name.namespace
            && is_attached(namespace, &self.selector, &self.targets, pod)
    }
}

/// One of `extensionProviders` of MeshConfig.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its name; case does not count.
    pub name: String,
    pub kind: ProviderKind,
    /// Its place.
    pub source: Source,
}

/// What a provider is.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderKind {
    /// A collector of traces.
    OpenTelemetry(Box<OpenTelemetryProvider>),
    /// Who authorizes requests (`envoyExtAuthzHttp`, `envoyExtAuthzGrpc`), at this service.
    Authorizer { service: String },
    /// Another one, by its field's name.
    Other(String),
}

/// `MeshConfig.DefaultProviders`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefaultProviders {
    pub tracing: Vec<String>,
    pub metrics: Vec<String>,
    pub access_logging: Vec<String>,
}
