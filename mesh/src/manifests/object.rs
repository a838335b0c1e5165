//! Objects as they are read, and what every kind of them has.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::{
    fault::At,
    model::{Age, NotModelled, ObjectName, Source},
};

/// Whether objects of a kind are in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Cluster,
    Namespaced,
}

/// One document.
#[derive(Clone, Debug)]
pub struct Object<T> {
    /// The common part.
    pub head: Head,
    /// The document, or the `spec` of Istio's kinds.
    pub body: T,
}

/// The part that documents of all kinds have.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its place in the manifests.
    pub source: Source,
    pub kind: &'static str,
    /// Its name; the namespace defaults to `default`, and is empty for cluster-scoped kinds.
    pub name: ObjectName,
    /// Its age, for rules that prefer the oldest.
    pub age: Age,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The kind and name of its controller, in the same namespace.
    pub controller: Option<(String, String)>,
}

impl Head {
    /// The head of the `order`-th document read.
    pub(crate) fn new(kind: &'static str, scope: Scope, meta: ObjectMeta, source: Source, order: usize) -> Self {
        let namespace = match scope {
            Scope::Namespaced => meta.namespace.unwrap_or_else(|| "default".into()),
            Scope::Cluster => String::new(),
        };
        let name = ObjectName { namespace, name: meta.name.unwrap_or_default() };
        Self {
            source,
            kind,
            age: Age { created: meta.creation_timestamp.map(|t| t.0.as_second()), order, of: name.clone() },
            name,
            labels: meta.labels.unwrap_or_default(),
            annotations: meta.annotations.unwrap_or_default(),
            controller: meta
                .owner_references
                .into_iter()
                .flatten()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| (owner.kind, owner.name)),
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

/// A document of which only the source and a name are known.
pub(crate) struct Named(pub(crate) Source, pub(crate) String);

impl At for Named {
    fn place(&self) -> (&Source, String) {
        (&self.0, self.1.clone())
    }
}

/// An object of a kind that is not read.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// Its place in the manifests.
    pub source: Source,
    pub kind: String,
    pub name: String,
    /// Its namespace, as written; empty if it names none.
    pub namespace: String,
    /// Its `spec`, for a kind that may change an answer.
    pub spec: Value,
    /// What it may change; `None` for a kind that does not matter here.
    pub may_change: Option<&'static str>,
}

impl SetAside {
    /// The object, if its kind may change an answer.
    pub(crate) fn not_modelled(&self) -> Option<NotModelled> {
        let is_of_cluster =
            self.kind.contains("Cluster") || self.kind.contains("Global") || self.kind.contains("Admin");
        let namespace = if self.namespace.is_empty() && !is_of_cluster { "default" } else { &self.namespace };
        Some(NotModelled {
            kind: self.kind.clone(),
            name: ObjectName { namespace: namespace.to_owned(), name: self.name.clone() },
            may_change: self.may_change?,
            spec: self.spec.clone(),
            source: self.source.clone(),
        })
    }
}

impl At for SetAside {
    fn place(&self) -> (&Source, String) {
        (&self.source, format!("{} {}", self.kind, self.name))
    }
}
