//! EnvoyFilters: what they make of the way from a sidecar to its own app.

use std::collections::BTreeMap;

use envoy_api::{ReadError, TransportSocket};
use serde_json::Value;

use super::{object::Source, pod::Pod};

/// An EnvoyFilter.
#[derive(Clone, Debug)]
pub struct EnvoyFilter {
    /// Such as `EnvoyFilter default/server`.
    pub by: String,
    /// The namespace that it is for; `None` is all of them.
    pub namespace: Option<String>,
    /// The labels of the pods that it is for; none are all.
    pub selector: BTreeMap<String, String>,
    /// What it patches.
    pub patches: Vec<InboundPatch>,
}

/// A patch that gives inbound clusters a transport socket.
#[derive(Clone, Debug)]
pub struct InboundPatch {
    /// A cluster by its name; the others are not looked at then.
    pub name: Option<String>,
    /// The container port.
    pub port: Option<u16>,
    /// The full name of a service that has it.
    pub service: Option<String>,
    /// What the sidecar does with the bytes for its app: a [`TransportSocket`], or what is to be merged into one.
    pub transport_socket: Value,
    /// Where it stands.
    pub source: Source,
}

impl EnvoyFilter {
    /// Whether it is for a pod's sidecar.
    pub fn is_for(&self, pod: &Pod) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == pod.name.namespace)
            && self.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

impl InboundPatch {
    /// Whether it is for an inbound cluster: its name, the container port that it leads to, and the services that have it
    /// (`pilot/pkg/networking/core/envoyfilter/cluster_patch.go`).
    pub fn matches(&self, cluster: &str, port: u16, services: &[&str]) -> bool {
        match &self.name {
            Some(name) => name == cluster,
            None => {
                self.port.is_none_or(|own| own == port)
                    && self.service.as_deref().is_none_or(|own| services.contains(&own))
            }
        }
    }
}

/// The transport socket that patches make of none, one after the other.
///
/// # Errors
/// When they do not fit together.
pub fn merged<'a>(patches: impl IntoIterator<Item = &'a InboundPatch>) -> Result<TransportSocket, ReadError> {
    let mut socket = Value::Null;
    for patch in patches {
        merge(&mut socket, &patch.transport_socket);
    }
    envoy_api::read_value(socket)
}

/// Merges as protobuf does: fields of messages each by itself, lists end to end, other values by the later one. Messages of two
/// types do not mix: the later one stays.
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) if into.get("@type") == patch.get("@type") => {
            for (name, value) in patch {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(patch)) => into.extend(patch.iter().cloned()),
        (into, patch) => into.clone_from(patch),
    }
}
