//! A sidecar's files, and the resources in them.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

/// A sidecar's files, by their path in its folder.
pub type Files = BTreeMap<PathBuf, String>;

/// The resources in a file; none if it is empty, as that of a secret that is not there yet.
pub(super) fn resources(text: &str) -> Vec<Value> {
    let mut response: Value = serde_json::from_str(text).unwrap_or_default();
    match response["resources"].take() {
        Value::Array(resources) => resources,
        _ => Vec::new(),
    }
}

/// A resource's name.
pub(super) fn name(resource: &Value) -> &str {
    resource["name"].as_str().or_else(|| resource["cluster_name"].as_str()).unwrap_or_default()
}
