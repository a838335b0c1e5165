//! The differences between two configurations of a sidecar, in words.

use std::{collections::BTreeSet, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::resources::{Files, name, resources};
use crate::compile::files::{BOOTSTRAP, CLUSTERS, LISTENERS};

/// A change of one resource: `listener 0.0.0.0_8080: chain added`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// `listener`, `routes`, `cluster`, `endpoints`, `secret` or `bootstrap`.
    pub kind: &'static str,
    /// The resource's name.
    pub name: String,
    /// What happens to it.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, what } = self;
        let space = if name.is_empty() { "" } else { " " };
        write!(f, "{kind}{space}{name}: {what}")
    }
}

/// The changes between two sets of files: clusters, endpoints, listeners, routes, secrets.
pub(super) fn between(old: &Files, new: &Files) -> Vec<Change> {
    let in_file = |files: &Files, file: &str| resources(files.get(&PathBuf::from(file)).map_or("", String::as_str));
    let in_folder = |files: &Files, folder: &str| -> Vec<Value> {
        files.iter().filter(|(path, _)| path.starts_with(folder)).flat_map(|(_, text)| resources(text)).collect()
    };
    let mut all = Vec::new();
    let mut add = |kind, old: &[Value], new: &[Value], compare: Compare| {
        for (name, what) in by_name(old, new, compare) {
            all.push(Change { kind, name, what });
        }
    };
    add("cluster", &in_file(old, CLUSTERS), &in_file(new, CLUSTERS), fields);
    add("endpoints", &in_folder(old, "eds"), &in_folder(new, "eds"), endpoints);
    add("listener", &in_file(old, LISTENERS), &in_file(new, LISTENERS), chains);
    add("routes", &in_folder(old, "rds"), &in_folder(new, "rds"), hosts);
    add("secret", &in_folder(old, "sds"), &in_folder(new, "sds"), |_, _| vec!["changed".to_owned()]);
    let bootstrap = PathBuf::from(BOOTSTRAP);
    if old.get(&bootstrap).is_some_and(|text| new.get(&bootstrap) != Some(text)) {
        all.push(Change { kind: "bootstrap", name: String::new(), what: "changed".to_owned() });
    }
    all
}

/// Describes the differences between two versions of a resource.
type Compare = fn(&Value, &Value) -> Vec<String>;

/// What happens to an item of a list.
enum Found {
    Added,
    Removed,
    /// It stays, and this is different inside.
    Changed(String),
}

/// The items of two lists that differ, found again by what identifies them. Those that are gone come last.
fn found(old: &[Value], new: &[Value], id: fn(&Value) -> String, inside: Compare) -> Vec<(String, Found)> {
    let mut all = Vec::new();
    for item in new {
        match old.iter().find(|other| id(other) == id(item)) {
            None => all.push((id(item), Found::Added)),
            Some(other) if other == item => {}
            Some(other) => all.extend(inside(other, item).into_iter().map(|what| (id(item), Found::Changed(what)))),
        }
    }
    let gone = old.iter().filter(|one| !new.iter().any(|other| id(other) == id(one)));
    all.extend(gone.map(|one| (id(one), Found::Removed)));
    all
}

/// The names of resources that differ, each with one of its changes.
fn by_name(old: &[Value], new: &[Value], compare: Compare) -> impl Iterator<Item = (String, String)> {
    found(old, new, named, compare).into_iter().map(|(name, found)| match found {
        Found::Added => (name, "added".to_owned()),
        Found::Removed => (name, "removed".to_owned()),
        Found::Changed(what) => (name, what),
    })
}

fn named(resource: &Value) -> String {
    name(resource).to_owned()
}

/// The top-level fields that differ.
fn fields(old: &Value, new: &Value) -> Vec<String> {
    let keys = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<BTreeSet<_>>());
    let (before, after) = (keys(old).unwrap_or_default(), keys(new).unwrap_or_default());
    let mut changes = Vec::new();
    for key in before.union(&after) {
        match (old.get(key), new.get(key)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(_)) => changes.push(format!("{key} changed")),
            (None, _) => changes.push(format!("{key} added")),
            (_, None) => changes.push(format!("{key} removed")),
        }
    }
    changes
}

/// The items of two lists that differ, in words, or that their order does.
fn items(old: &[Value], new: &[Value], id: fn(&Value) -> String, inside: Compare) -> Vec<String> {
    let words = found(old, new, id, inside).into_iter().map(|(item, found)| match found {
        Found::Added => format!("{item} added"),
        Found::Removed => format!("{item} removed"),
        Found::Changed(what) => format!("{item}: {what}"),
    });
    let mut changes: Vec<String> = words.collect();
    if changes.is_empty() && old != new {
        changes.push("the order changed".to_owned());
    }
    changes
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A resource without a list that is compared item by item.
fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().and_then(|fields| fields.remove(key));
    value
}

fn chains(old: &Value, new: &Value) -> Vec<String> {
    const KEY: &str = "filter_chains";
    let mut changes = items(list(old, KEY), list(new, KEY), chain, fields);
    changes.extend(fields(&without(old, KEY), &without(new, KEY)));
    changes
}

/// A chain by its name and what it matches.
fn chain(chain: &Value) -> String {
    let matches = &chain["filter_chain_match"];
    let mut parts: Vec<String> = Vec::new();
    parts.extend(matches["destination_port"].as_u64().map(|port| format!("port {port}")));
    parts.extend(list(matches, "prefix_ranges").iter().filter_map(|range| {
        let prefix = range["prefix_len"].as_u64()?;
        Some(format!("{}/{prefix}", range["address_prefix"].as_str()?))
    }));
    parts.extend(matches["transport_protocol"].as_str().map(str::to_owned));
    let words = |key| list(matches, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    parts.extend(["server_names", "application_protocols"].map(words).into_iter().filter(|words| !words.is_empty()));
    let name = chain["name"].as_str().unwrap_or_default();
    let space = if name.is_empty() { "" } else { " " };
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(" ")) };
    format!("chain{space}{name}{parts}")
}

fn hosts(old: &Value, new: &Value) -> Vec<String> {
    const KEY: &str = "virtual_hosts";
    let host = |host: &Value| format!("virtual host {}", name(host));
    let mut changes = items(list(old, KEY), list(new, KEY), host, fields);
    changes.extend(fields(&without(old, KEY), &without(new, KEY)));
    changes
}

fn endpoints(old: &Value, new: &Value) -> Vec<String> {
    let all = |value: &Value| -> Vec<Value> {
        list(value, "endpoints").iter().flat_map(|group| list(group, "lb_endpoints")).cloned().collect()
    };
    let (before, after) = (all(old), all(new));
    let changes = items(&before, &after, endpoint, fields);
    if changes.is_empty() { vec!["changed".to_owned()] } else { changes }
}

fn endpoint(endpoint: &Value) -> String {
    let address = &endpoint["endpoint"]["address"]["socket_address"];
    let (host, port) = (address["address"].as_str().unwrap_or_default(), &address["port_value"]);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
