//! Objects of kinds that are not modelled, and the scope of every PeerAuthentication.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    object::{ObjectName, Source},
    service::Age,
};

/// An object of a kind that is not modelled, and that may change an answer.
#[derive(Clone, Debug)]
pub struct NotModelled {
    pub kind: String,
    /// Its name; the namespace is empty where the kind has none.
    pub name: ObjectName,
    /// What it may change, as the end of a sentence.
    pub may_change: &'static str,
    /// Its `spec`, as written.
    pub spec: Value,
    pub source: Source,
}

/// A PeerAuthentication, as far as it decides which pods it applies to.
#[derive(Clone, Debug)]
pub struct PolicyHead {
    /// Such as `PeerAuthentication default/server`.
    pub full_name: String,
    pub namespace: String,
    /// The labels of the pods that it applies to; `None` for its whole namespace.
    pub selector: Option<BTreeMap<String, String>>,
    pub age: Age,
    pub source: Source,
}

impl PolicyHead {
    /// Whether its selector, if it has one, selects a pod with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
    }
}
