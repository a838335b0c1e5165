//! Why a text cannot be used as a sidecar's dump, and what it is instead.

use serde_json::Value;
use thiserror::Error;

/// Why a text cannot be used as a sidecar's dump.
#[derive(Debug, Error)]
pub enum DumpError {
    /// The text ends in the middle.
    #[error("cut off at line {line}, column {column}: the JSON ends in the middle; dump it again, and whole")]
    CutOff {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Not JSON.
    #[error("not JSON: {0}; expected the output of Envoy's /config_dump")]
    NotJson(serde_json::Error),
    /// The dump of ambient mode's proxy.
    #[error(
        "a dump of ztunnel, which is no Envoy: it has workloads and services, and no listeners or clusters; dump a \
         sidecar, with `istioctl proxy-config all POD -o json`"
    )]
    Ztunnel,
    /// One kind of resource, as `istioctl proxy-config listeners` prints it.
    #[error(
        "a list of single resources, as `istioctl proxy-config listeners POD -o json` prints them; dump everything, with \
         `istioctl proxy-config all POD -o json`"
    )]
    List,
    /// JSON, and no dump.
    #[error("no `configs` list: expected the output of Envoy's /config_dump")]
    NoConfigs,
    /// Envoy's API before the present one.
    #[error("of Envoy's v2 API ({0}), which Envoy 1.18 and later do not speak; only v3 is read")]
    OldApi(String),
    /// Nothing says whose dump it is.
    #[error("{missing}: no BootstrapConfigDump{}; dump everything, not single resources", listed(found))]
    NoNode {
        /// The field that would say so.
        missing: &'static str,
        /// What there is.
        found: Vec<String>,
    },
    /// Another Envoy of Istio's than a sidecar.
    #[error(
        "the dump of a {kind} ({id}), not of a sidecar: no app calls through it, and its listeners are bound to ports of its own"
    )]
    NotASidecar {
        /// `gateway`, `waypoint`, or what its ID begins with.
        kind: String,
        /// The node's ID.
        id: String,
    },
    /// A listener that every call meets has something that matters to TLS and is not supported.
    #[error("listener {name}: {reason}")]
    Listener {
        /// The listener.
        name: String,
        /// What, and where.
        reason: String,
    },
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(" (there are {})", found.join(", ")) }
}

/// Reads the JSON of a dump.
pub(super) fn json(text: &str) -> Result<Value, DumpError> {
    serde_json::from_str(text).map_err(|error| match error.is_eof() && !text.trim().is_empty() {
        true => DumpError::CutOff { line: error.line(), column: error.column() },
        false => DumpError::NotJson(error),
    })
}

/// The parts of a dump.
pub(super) fn configs(dump: &Value) -> Result<&Vec<Value>, DumpError> {
    if dump.is_array() {
        return Err(DumpError::List);
    }
    if dump.get("workloads").is_some() && dump.get("configs").is_none() {
        return Err(DumpError::Ztunnel);
    }
    let configs = dump.get("configs").and_then(Value::as_array).ok_or(DumpError::NoConfigs)?;
    let old = configs.iter().filter_map(|config| config["@type"].as_str()).find(|kind| kind.contains(".v2alpha."));
    match old {
        Some(kind) => Err(DumpError::OldApi(short(kind).into())),
        None => Ok(configs),
    }
}

/// Refuses what is not a sidecar's.
pub(super) fn sidecars_alone(node: &Value) -> Result<(), DumpError> {
    let id = node["id"].as_str().unwrap_or_default();
    match id.split_once('~') {
        Some(("sidecar", _)) | None => Ok(()),
        Some((kind, _)) => {
            let kind = if kind == "router" { "gateway" } else { kind };
            Err(DumpError::NotASidecar { kind: kind.into(), id: id.into() })
        }
    }
}

/// What a dump without a node has.
pub(super) fn no_node(missing: &'static str, configs: &[Value]) -> DumpError {
    let kinds = configs.iter().filter_map(|config| config["@type"].as_str());
    DumpError::NoNode { missing, found: kinds.map(|kind| short(kind).to_owned()).collect() }
}

fn short(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}
