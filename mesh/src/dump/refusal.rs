//! Why a text cannot be used as a sidecar's dump, and what it is instead.

use serde_json::Value;
use thiserror::Error;

/// Why a text cannot be used as a sidecar's dump.
#[derive(Debug, Error)]
pub enum DumpError {
    /// The text ends in the middle.
    #[error("cut off at line {line}, column {column}: the JSON is incomplete; dump it again")]
    CutOff {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
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
    /// YAML.
    #[error("YAML, as `istioctl proxy-config all POD -o yaml` prints it; print it with -o json")]
    Yaml,
    /// Another of istioctl's outputs.
    #[error("{0}; dump everything, with `istioctl proxy-config all POD -o json`")]
    Other(&'static str),
    /// JSON, but not a dump.
    #[error("no `configs` list: expected the output of Envoy's /config_dump")]
    NoConfigs,
    /// Envoy's v2 API, the predecessor of v3.
    #[error("of Envoy's v2 API ({0}), which Envoy 1.18 and later do not support; only v3 is supported")]
    OldApi(String),
    /// The dump does not identify its sidecar.
    #[error("node.id: no BootstrapConfigDump{}; dump everything, not single resources", listed(.0))]
    NoNode(Vec<String>),
    /// The node is not one that Istio's agent describes.
    #[error(
        "the node has no address, in its ID (`sidecar~ADDRESS~POD.NAMESPACE~DOMAIN`) or in node.metadata.INSTANCE_IPS: \
         not of a proxy that Istio's agent started, or shortened"
    )]
    NoAddress,
    /// The dump of a gateway or a waypoint.
    #[error("the dump of a {kind} ({id}), not of a sidecar: no app's calls are redirected to it")]
    NotASidecar {
        /// `gateway`, `waypoint`, or the first part of its ID.
        kind: String,
        /// The node's ID.
        id: String,
    },
    /// A lab can't run without endpoints.
    #[error(
        "no endpoints, and a lab can't know where calls go; dump them with /config_dump?include_eds, or with \
         `istioctl proxy-config all POD -o json`"
    )]
    NoEndpoints,
    /// Nothing came from a control plane.
    #[error("no listener came from a control plane: the dump is of a proxy that was just started, or is not of Istio")]
    NoListeners,
    /// A listener on every call's path has something unsupported that matters to TLS.
    #[error("listener {name}: {reason}")]
    Listener { name: String, reason: String },
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(" (there are {})", found.join(", ")) }
}

/// Reads the JSON of a dump.
pub(super) fn json(text: &str) -> Result<Value, DumpError> {
    serde_json::from_str(text).map_err(|error| match error.is_eof() && !text.trim().is_empty() {
        true => DumpError::CutOff { line: error.line(), column: error.column() },
        false if is_yaml(text) => DumpError::Yaml,
        false => DumpError::NotJson(error),
    })
}

/// Whether a text starts as YAML does: `configs:`, or an element of a list.
fn is_yaml(text: &str) -> bool {
    let line = text.trim_start().lines().next().unwrap_or_default();
    let is_key = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    line.starts_with("- ") || line.split_once(':').is_some_and(|(key, _)| is_key(key))
}

/// The parts of a dump.
pub(super) fn configs(dump: &Value) -> Result<&Vec<Value>, DumpError> {
    if let Some(error) = something_else(dump) {
        return Err(error);
    }
    let configs = dump.get("configs").and_then(Value::as_array).ok_or(DumpError::NoConfigs)?;
    let old = configs.iter().filter_map(|config| config["@type"].as_str()).find(|kind| kind.contains(".v2alpha."));
    match old {
        Some(kind) => Err(DumpError::OldApi(short(kind).into())),
        None => Ok(configs),
    }
}

/// What a text is instead, if it is another of istioctl's outputs.
fn something_else(dump: &Value) -> Option<DumpError> {
    const OTHERS: [(&[&str], &str); 4] = [
        (
            &["connections", "info"],
            "ztunnel's connections, as `istioctl ztunnel-config connections -o json` prints them",
        ),
        (&["bootstrap"], "a bootstrap, as `istioctl proxy-config bootstrap POD -o json` prints it"),
        (&["ecdsFilters"], "extensions, as `istioctl proxy-config ecds POD -o json` prints them"),
        (&["resources", "typeUrl"], "istiod's report on what proxies have taken, as for `istioctl proxy-status`"),
    ];
    if dump.get("configs").is_some() {
        return None;
    }
    let one = dump.as_array().map_or(Some(dump), |list| list.first());
    let is_it =
        |(fields, _): &&(&[&str], &str)| fields.iter().all(|field| one.is_some_and(|one| one.get(field).is_some()));
    match OTHERS.iter().find(is_it) {
        Some((_, what)) => Some(DumpError::Other(what)),
        None if dump.is_array() => Some(DumpError::List),
        None => dump.get("workloads").is_some().then_some(DumpError::Ztunnel),
    }
}

/// Checks that a node is a sidecar.
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

/// The error for a dump without a node, with the parts that it has.
pub(super) fn no_node(configs: &[Value]) -> DumpError {
    let kinds = configs.iter().filter_map(|config| config["@type"].as_str());
    let mut kinds: Vec<String> = kinds.map(|kind| short(kind).to_owned()).collect();
    kinds.dedup();
    DumpError::NoNode(kinds)
}

fn short(kind: &str) -> &str {
    kind.rsplit('.').next().unwrap_or(kind)
}
