//! Objects of kinds that are not modelled and may change an answer, and all policies by what they say of whom they are for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    object::{ObjectName, Source},
    service::Age,
};

/// An object of a kind that is not modelled, and that may change an answer.
#[derive(Clone, Debug)]
pub struct NotModelled {
    /// Its kind.
    pub kind: String,
    /// Its name; the namespace is empty where the kind has none.
    pub name: ObjectName,
    /// What it may change, as the end of a sentence.
    pub may_change: &'static str,
    /// Its `spec`, as written.
    pub spec: Value,
    /// Its document.
    pub source: Source,
}

/// A PeerAuthentication, by what says for whom it is.
#[derive(Clone, Debug)]
pub struct PolicyHead {
    /// Such as `PeerAuthentication default/server`.
    pub full_name: String,
    /// Its namespace.
    pub namespace: String,
    /// Which pods it is for; none for a whole namespace.
    pub selector: Option<BTreeMap<String, String>>,
    /// How old it is.
    pub age: Age,
    /// Its document.
    pub source: Source,
}

impl PolicyHead {
    /// Whether its selector, if it has one, selects a pod with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
    }
}
