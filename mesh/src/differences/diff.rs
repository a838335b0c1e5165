//! Compares two messages field by field. List elements are paired by name; their order matters only where it does to Envoy.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// A field that differs, or that only one side has.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The path: fields, and the names of list elements.
    pub path: Vec<String>,
    /// What Istio wrote, if anything.
    pub istio: Option<Value>,
    /// What the compiler wrote, if anything.
    pub here: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The maximum length of a printed value.
        const WIDTH: usize = 300;
        let side = |value: &Option<Value>| match value {
            None => "(nothing)".into(),
            Some(value) => {
                let text = value.to_string();
                match text.char_indices().nth(WIDTH) {
                    Some((end, _)) => format!("{}…", &text[..end]),
                    None => text,
                }
            }
        };
        write!(f, "{}\n  istiod: {}\n  here:   {}", self.path.join(" / "), side(&self.istio), side(&self.here))
    }
}

/// All differences, in order of their paths.
pub(super) fn diff(istio: &Value, here: &Value) -> Vec<Difference> {
    let mut found = vec![];
    walk(&mut vec![], Some(istio), Some(here), &mut found);
    found
}

fn walk(path: &mut Vec<String>, istio: Option<&Value>, here: Option<&Value>, found: &mut Vec<Difference>) {
    match (istio, here) {
        _ if istio == here => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                path.push(name.clone());
                walk(path, a.get(name), b.get(name), found);
                path.pop();
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if !is_one_value(path) => lists(path, a, b, found),
        // Metadata is by filter: absent and empty are equal.
        (Some(Value::Object(fields)), None) if is_metadata(path) => {
            for (name, value) in fields {
                path.push(name.clone());
                walk(path, Some(value), None, found);
                path.pop();
            }
        }
        _ => found.push(Difference { path: path.clone(), istio: istio.cloned(), here: here.cloned() }),
    }
}

/// Whether a list is compared as a whole.
fn is_one_value(path: &[String]) -> bool {
    path.last().is_some_and(|field| field == "alpn_protocols" || field == "cipher_suites")
}

fn is_metadata(path: &[String]) -> bool {
    path.last().is_some_and(|field| field == "metadata" || field == "filter_metadata")
}

fn lists(path: &mut Vec<String>, istio: &[Value], here: &[Value], found: &mut Vec<Difference>) {
    let field = path.last().cloned().unwrap_or_default();
    let (a, b) = (keyed(&field, istio), keyed(&field, here));
    let keys = a.iter().chain(b.iter().filter(|(key, _)| a.iter().all(|(other, _)| other != key))).map(|(key, _)| key);
    let of =
        |side: &[(String, Value)], key: &String| side.iter().find(|(other, _)| other == key).map(|(_, v)| v.clone());
    for key in keys.cloned().collect::<Vec<_>>() {
        path.push(key.clone());
        walk(path, of(&a, &key).as_ref(), of(&b, &key).as_ref(), found);
        path.pop();
    }
    if path.len() > 1 && in_order(&field) {
        let common = |side: &[(String, Value)], other: &[(String, Value)]| -> Vec<Value> {
            side.iter()
                .filter(|(key, _)| other.iter().any(|(k, _)| k == key))
                .map(|(key, _)| key.clone().into())
                .collect()
        };
        let (a, b) = (common(&a, &b), common(&b, &a));
        if a != b {
            let mut path = path.clone();
            path.push("(order)".into());
            found.push(Difference { path, istio: Some(a.into()), here: Some(b.into()) });
        }
    }
}

/// Whether the order of a list matters to Envoy.
fn in_order(field: &str) -> bool {
    matches!(field, "filters" | "http_filters" | "listener_filters" | "routes" | "transport_socket_matches")
}

/// The elements of a list with their names; equal names are numbered.
fn keyed(field: &str, items: &[Value]) -> Vec<(String, Value)> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut keyed = vec![];
    for (i, item) in items.iter().enumerate() {
        let key = key(field, item).unwrap_or_else(|| i.to_string());
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        keyed.push((if *count == 1 { key } else { format!("{key} ({count})") }, item.clone()));
    }
    keyed
}

fn key(field: &str, item: &Value) -> Option<String> {
    if let Some(text) = item.as_str() {
        return Some(text.into());
    }
    // Envoy identifies chains by their match: it rejects two with the same one.
    if field == "filter_chains" {
        return Some(matched(&item["filter_chain_match"]));
    }
    let address = |value: &Value| {
        let socket = &value["address"]["socket_address"];
        Some(format!("{}:{}", socket["address"].as_str()?, socket["port_value"]))
    };
    let name = ["name", "cluster_name", "upgrade_type"].iter().find_map(|name| item[name].as_str());
    name.map(str::to_owned).or_else(|| address(&item["endpoint"])).or_else(|| address(item))
}

/// The match of a filter chain, in words.
fn matched(chain_match: &Value) -> String {
    let Some(fields) = chain_match.as_object() else { return "any".into() };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let mut items: Vec<String> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), Into::into)).collect();
            items.sort();
            items.join(",")
        }
        other => other.to_string(),
    };
    let order = ["destination_port", "transport_protocol", "application_protocols"];
    let rank = |name: &String| order.iter().position(|known| known == name).unwrap_or(order.len());
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| (rank(name), (*name).clone()));
    let parts: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| match name.as_str() {
            "destination_port" | "transport_protocol" | "application_protocols" => text(value),
            other => format!("{other}={}", text(value)),
        })
        .collect();
    if parts.is_empty() { "any".into() } else { parts.join(" ") }
}
