//! EnvoyFilters that patch the connection from a sidecar to its own app.

use std::collections::BTreeMap;

use envoy_api::{ReadError, TransportSocket};
use serde_json::Value;

use super::{object::Source, pod::Pod};

#[derive(Clone, Debug)]
pub struct EnvoyFilter {
    /// Such as `EnvoyFilter default/server`.
    pub by: String,
    /// The namespace that it applies to; `None` is all.
    pub namespace: Option<String>,
    /// The labels of the pods that it applies to; empty is all.
    pub selector: BTreeMap<String, String>,
    pub patches: Vec<InboundPatch>,
}

/// A patch that gives inbound clusters a transport socket.
#[derive(Clone, Debug)]
pub struct InboundPatch {
    /// The cluster's name; if set, the other conditions are ignored.
    pub name: Option<String>,
    /// The container port.
    pub port: Option<u16>,
    /// The full name of a service that has it.
    pub service: Option<String>,
    /// A [`TransportSocket`], or a part to merge into one.
    pub transport_socket: Value,
    /// Its place in the manifests.
    pub source: Source,
}

impl EnvoyFilter {
    /// Whether it applies to a pod's sidecar.
    pub fn is_for(&self, pod: &Pod) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == pod.name.namespace)
            && self.selector.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

impl InboundPatch {
    /// Whether it applies to an inbound cluster: its name, the container port that it leads to, and the services that have it
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

/// The transport socket that results from applying patches in order.
///
/// # Errors
/// If the result is not a valid transport socket.
pub fn merged<'a>(patches: impl IntoIterator<Item = &'a InboundPatch>) -> Result<TransportSocket, ReadError> {
    let mut socket = Value::Null;
    for patch in patches {
        merge(&mut socket, &patch.transport_socket);
    }
    envoy_api::read_value(socket)
}

/// Merges as protobuf does: messages field by field, lists by appending, other values by replacement. A message of another
/// type replaces the earlier one.
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
