//! Reads the configuration of a running sidecar: `config_dump` of Envoy's admin interface
//! (`istioctl proxy-config all POD -o json`, or `GET /config_dump?include_eds`).
//!
//! A real sidecar's configuration contains more than the supported subset. A prediction needs the parts that matter to TLS: the
//! rest is left out and listed in [`EnvoyDump::warnings`]; a part that matters but is not supported is an error. A lab
//! ([`DumpedMesh`]) runs what came from the control plane, and lists in the same way what it can't run.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use envoy_api::{Cluster, ClusterLoadAssignment, Listener, RouteConfiguration};
use serde_json::Value;

mod identity;
mod mapping;
mod objects;
mod prune;
mod refusal;
mod runnable;
mod services;
mod together;

use prune::Pruner;
pub use refusal::DumpError;
pub use runnable::Runnable;
pub use together::{DumpedMesh, Mixed};

/// The dumped configuration of a sidecar.
#[derive(Clone, Debug)]
pub struct EnvoyDump {
    /// `POD.NAMESPACE`, from the node's ID.
    pub pod: String,
    pub ips: Vec<IpAddr>,
    /// The SPIFFE ID of the workload's certificate.
    pub identity: Option<String>,
    /// LDS.
    pub listeners: Vec<Listener>,
    /// RDS.
    pub routes: Vec<RouteConfiguration>,
    /// CDS.
    pub clusters: Vec<Cluster>,
    /// EDS; empty if the dump does not include endpoints.
    pub endpoints: Vec<ClusterLoadAssignment>,
    /// What was left out, and the possible consequences.
    pub warnings: Vec<String>,
    /// Clusters and route configurations that could not be read, and why.
    pub(crate) unread: BTreeMap<String, String>,
    /// Listeners that could not be read.
    pub(crate) unread_listeners: Vec<Unread>,
}

/// A listener that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) reason: String,
}

impl Unread {
    /// `None` for a listener without a socket address: no call reaches it.
    fn from_listener(name: String, listener: &Value, reason: String) -> Option<Self> {
        let address = &listener["address"]["socket_address"];
        let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
        Some(Self { name, address: SocketAddr::new(address["address"].as_str()?.parse().ok()?, port), reason })
    }

    /// Whether connections to an address would reach it.
    pub(crate) fn accepts(&self, destination: SocketAddr) -> bool {
        self.address.port() == destination.port()
            && (self.address.ip() == destination.ip() || self.address.ip().is_unspecified())
    }
}

impl EnvoyDump {
    /// Reads a dump.
    ///
    /// # Errors
    /// If the text is not a dump, or a listener uses something unsupported that matters to TLS.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        let dump = refusal::json(text)?;
        let (configs, node, ips) = sidecar(&dump)?;
        let mut pruner = Pruner::default();
        let (mut listeners, mut unread_listeners) = (vec![], vec![]);
        for value in found(configs, "ListenersConfigDump", "listener") {
            let name = value["name"].as_str().unwrap_or("(unnamed)").to_owned();
            match pruner.read("listeners", value) {
                Ok(listener) => listeners.push(listener),
                // Bound listeners are on the path of every call, the others only of some.
                Err(reason) if value["bind_to_port"] == false => {
                    unread_listeners.extend(Unread::from_listener(name, value, reason));
                }
                Err(reason) => return Err(DumpError::Listener { name, reason }),
            }
        }
        let mut unread = BTreeMap::new();
        let clusters = read_all(&mut pruner, &mut unread, "clusters", found(configs, "ClustersConfigDump", "cluster"));
        let routes = read_all(&mut pruner, &mut unread, "routes", found(configs, "RoutesConfigDump", "route_config"));
        let endpoints = found(configs, "EndpointsConfigDump", "endpoint_config");
        let endpoints = read_all(&mut pruner, &mut BTreeMap::new(), "endpoints", endpoints);
        let mut warnings: Vec<String> =
            identity::other_version(node, "the prediction follows the decisions of").into_iter().collect();
        warnings.extend(pruner.warnings());
        let listener = |unread: &Unread| format!("listener {} is left out: {}", unread.name, unread.reason);
        warnings.extend(unread_listeners.iter().map(listener));
        warnings.extend(unread.iter().map(|(name, reason)| format!("{name} is left out: {reason}")));
        if endpoints.is_empty() {
            warnings.push(
                "no endpoints: dump them with /config_dump?include_eds; otherwise the first pod is assumed".into(),
            );
        }
        Ok(Self {
            pod: identity::pod(node),
            ips,
            identity: identity::spiffe_id(configs, node),
            listeners,
            routes,
            clusters,
            endpoints,
            warnings,
            unread,
            unread_listeners,
        })
    }
}

/// The parts of a sidecar's dump, its node, and its addresses.
fn sidecar(dump: &Value) -> Result<(&[Value], &Value, Vec<IpAddr>), DumpError> {
    let configs = refusal::configs(dump)?;
    let node = identity::node(configs).ok_or_else(|| refusal::no_node(configs))?;
    refusal::sidecars_alone(node)?;
    let ips = identity::addresses(node).ok_or(DumpError::NoAddress)?;
    Ok((configs, node, ips))
}

/// Reads resources, and records the names of those that can't be read.
fn read_all<'a, T: serde::de::DeserializeOwned>(
    pruner: &mut Pruner,
    unread: &mut BTreeMap<String, String>,
    kind: &'static str,
    values: impl Iterator<Item = &'a Value>,
) -> Vec<T> {
    let mut read = vec![];
    for value in values {
        match pruner.read(kind, value) {
            Ok(resource) => read.push(resource),
            Err(reason) => {
                let name = value["name"].as_str().unwrap_or("(unnamed)");
                unread.insert(name.into(), reason);
            }
        }
    }
    read
}

/// The resources of a kind, static and dynamic: all fields of this name in the kind's dump.
fn found<'a>(configs: &'a [Value], kind: &str, field: &'a str) -> impl Iterator<Item = &'a Value> {
    let dumps = configs.iter().filter(move |config| config["@type"].as_str().is_some_and(|url| url.ends_with(kind)));
    let dumps: Vec<&Value> = dumps.collect();
    dumps.into_iter().filter_map(Value::as_object).flat_map(move |dump| {
        let lists = dump.values().filter_map(Value::as_array).flatten();
        // A listener's is one level deeper, in its `active_state`; one that is only warming does not serve yet.
        lists.filter_map(move |entry| entry.get(field).or_else(|| entry.get("active_state")?.get(field)))
    })
}

#[cfg(test)]
mod tests;
