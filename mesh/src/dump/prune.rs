//! Reads resources that contain more than the supported subset.

use std::collections::BTreeMap;

use envoy_api::ReadError;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Parts of a resource in which nothing can be left out: it would match, or trust, more than before.
const MATTERS: [&str; 4] =
    ["filter_chain_match", "match_typed_subject_alt_names", "match_subject_alt_names", "transport_socket"];

/// Fields inside of [`MATTERS`] that can be left out anyway: they affect neither peer nor protocol.
const HARMLESS: [&str; 4] = ["allow_renegotiation", "stats_prefix", "enforce_rsa_key_usage", "signature_algorithms"];

/// Reads resources, and records what it left out.
#[derive(Debug, Default)]
pub(super) struct Pruner {
    /// Fields by kind of resource.
    fields: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// Filters and other extensions by type.
    extensions: BTreeMap<String, usize>,
}

impl Pruner {
    /// Reads a resource, leaving out what the subset does not support.
    ///
    /// # Errors
    /// What can't be left out, with its path.
    pub(super) fn read<T: DeserializeOwned>(&mut self, kind: &'static str, value: &Value) -> Result<T, String> {
        let mut value = value.clone();
        normalize(&mut value);
        // The resource itself is in an `Any`.
        value.as_object_mut().and_then(|fields| fields.shift_remove("@type"));
        if kind == "listeners" {
            named(&mut value);
        }
        Ok(self.prune(kind, value)?.0)
    }

    /// Leaves out of a resource what the subset does not support, and returns it as read and as JSON.
    ///
    /// # Errors
    /// What can't be left out, with its path.
    pub(super) fn prune<T: DeserializeOwned>(
        &mut self,
        kind: &'static str,
        mut value: Value,
    ) -> Result<(T, Value), String> {
        // Each iteration removes one thing, so this terminates.
        loop {
            let (path, reason) = match envoy_api::read_value(value.clone()) {
                Ok(resource) => return Ok((resource, value)),
                Err(ReadError::NotJson(error)) => return Err(error.to_string()),
                Err(ReadError::Field { path, reason }) => innermost(&path, &reason),
            };
            let unknown_type = reason.strip_prefix("unknown variant `").filter(|_| path.ends_with(".typed_config"));
            let left_out = match unknown_type {
                // An extension that is one of a list, such as a filter.
                Some(rest) if path.ends_with("].typed_config") => {
                    let name = rest.split('`').next().unwrap_or(rest);
                    *self.extensions.entry(name.rsplit('/').next().unwrap_or(name).into()).or_default() += 1;
                    remove(&mut value, path.trim_end_matches(".typed_config"))
                }
                None if may_go(&path) && reason.starts_with("unknown ") => {
                    let field = path.rsplit('.').next().unwrap_or(&path);
                    *self.fields.entry(kind).or_default().entry(field.into()).or_default() += 1;
                    remove(&mut value, &path)
                }
                _ => false,
            };
            if !left_out {
                return Err(format!("{path}: {reason}"));
            }
        }
    }

    /// What was left out, in words.
    pub(super) fn warnings(&self) -> Vec<String> {
        let extensions = self.extensions.iter().map(|(name, times)| {
            format!("{name} ({times} times) is left out; its effect on connections and requests is not predicted")
        });
        // Envoy always prints the health and locality of endpoints, which do not affect the transport socket.
        let fields = self.fields.iter().filter(|(kind, _)| **kind != "endpoints").map(|(kind, fields)| {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("fields of {kind} that do not matter to TLS are left out: {}", names.join(", "))
        });
        extensions.chain(fields).collect()
    }
}

/// Whether a field may be left out.
fn may_go(path: &str) -> bool {
    let field = path.rsplit('.').next().unwrap_or(path);
    HARMLESS.contains(&field) || !MATTERS.iter().any(|part| path.contains(part))
}

/// The full path and the reason of an error inside nested `Any`s: each level puts the path within it in front of the reason.
fn innermost(path: &str, reason: &str) -> (String, String) {
    let (mut path, mut reason) = (path.trim_start_matches('.').to_owned(), reason);
    while let Some((inner, rest)) = reason.split_once(": ") {
        if inner.contains(' ') {
            break;
        }
        let dot = if path.is_empty() { "" } else { "." };
        path = format!("{path}{dot}{inner}");
        reason = rest;
    }
    (path, reason.to_owned())
}

/// Removes what never matters, and replaces sources of resources by files: once dumped, the origin of a resource does not matter.
fn normalize(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove("access_log");
            for (name, field) in fields.iter_mut() {
                let is_source = matches!(name.as_str(), "config_source" | "sds_config" | "eds_config");
                if is_source && field.get("path_config_source").is_none() {
                    *field = json!({"path_config_source": {"path": "/"}});
                }
                // Istio's bootstrap names neither its own listeners nor their routes.
                if name == "route_config" {
                    named(field);
                }
                normalize(field);
            }
            // The deprecated form has no kind of name, and applies to every kind.
            if let Some(Value::Array(names)) = fields.shift_remove("match_subject_alt_names") {
                let typed = fields.entry("match_typed_subject_alt_names").or_insert_with(|| json!([]));
                let of_all_kinds = names.iter().flat_map(|name| {
                    ["EMAIL", "DNS", "URI", "IP_ADDRESS"].map(|kind| json!({"san_type": kind, "matcher": name}))
                });
                typed.as_array_mut().into_iter().for_each(|typed| typed.extend(of_all_kinds.clone()));
            }
            // The supported subset has one destination for a route.
            if let Some(split) = fields.shift_remove("weighted_clusters") {
                fields.insert("cluster".into(), split["clusters"][0]["name"].clone());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalize),
        _ => {}
    }
}

/// Gives a resource an empty name, if it has none.
fn named(resource: &mut Value) {
    if let Some(fields) = resource.as_object_mut() {
        fields.entry("name").or_insert_with(|| "".into());
    }
}

/// Removes the value at a path such as `filter_chains[0].filters[1]`.
fn remove(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(fields) => {
            // Map keys can contain dots: the longest match wins.
            let fits = |key: &&String| {
                path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let Some(key) = fields.keys().filter(fits).max_by_key(|key| key.len()).cloned() else { return false };
            match path[key.len()..].trim_start_matches('.') {
                "" => fields.shift_remove(&key).is_some(),
                rest => fields.get_mut(&key).is_some_and(|field| remove(field, rest)),
            }
        }
        Value::Array(items) => {
            let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) else {
                return false;
            };
            let Ok(index) = index.parse::<usize>() else { return false };
            match rest.trim_start_matches('.') {
                "" if index < items.len() => {
                    items.remove(index);
                    true
                }
                rest => items.get_mut(index).is_some_and(|item| remove(item, rest)),
            }
        }
        _ => false,
    }
}
