//! What a running sidecar says of itself: `config_dump` of Envoy's admin interface
//! (`istioctl proxy-config all POD -o json`, or `GET /config_dump?include_eds`).
//!
//! A real sidecar's configuration holds more than the supported subset. For a prediction it is read as far as it matters to
//! TLS: what doesn't is left out, and named in [`EnvoyDump::warnings`]; what does, and is not supported, is an error.

use std::{collections::BTreeMap, net::IpAddr};

use envoy_api::{Cluster, ClusterLoadAssignment, Listener, RouteConfiguration};
use serde_json::Value;
use thiserror::Error;

mod alpn;
mod identity;
mod prune;

pub(crate) use alpn::HttpAlpn;
use prune::Pruner;

/// A sidecar's configuration, as it was dumped.
#[derive(Clone, Debug)]
pub struct EnvoyDump {
    /// `POD.NAMESPACE`, from the node's ID.
    pub pod: String,
    /// The pod's addresses.
    pub ips: Vec<IpAddr>,
    /// The SPIFFE ID of the workload's certificate.
    pub identity: Option<String>,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its route configurations.
    pub routes: Vec<RouteConfiguration>,
    /// Its clusters.
    pub clusters: Vec<Cluster>,
    /// The endpoints of its clusters; none at all if the dump was made without them.
    pub endpoints: Vec<ClusterLoadAssignment>,
    /// What was left out, and what that may mean.
    pub warnings: Vec<String>,
    /// What Istio's own filter says of the ALPN that HTTP connections offer.
    pub(crate) http_alpn: HttpAlpn,
    /// Clusters and route configurations that could not be read, and why.
    pub(crate) unread: BTreeMap<String, String>,
}

/// Why a text is no dump that a prediction can be made from.
#[derive(Debug, Error)]
pub enum DumpError {
    /// Not JSON.
    #[error("not JSON: {0}; expected what Envoy's /config_dump answers")]
    NotJson(serde_json::Error),
    /// JSON, and no dump.
    #[error("no `configs` list: expected what Envoy's /config_dump answers")]
    NoConfigs,
    /// Nothing says whose dump it is.
    #[error("{0}: no BootstrapConfigDump with it; dump everything, not single resources")]
    NoNode(&'static str),
    /// A listener has something that matters to TLS and is not supported.
    #[error("listener {name}: {reason}")]
    Listener {
        /// The listener.
        name: String,
        /// What, and where.
        reason: String,
    },
}

impl EnvoyDump {
    /// Reads a dump.
    ///
    /// # Errors
    /// When the text is no dump, or a listener can't be read in what matters to TLS.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        let dump: Value = serde_json::from_str(text).map_err(DumpError::NotJson)?;
        let configs = dump.get("configs").and_then(Value::as_array).ok_or(DumpError::NoConfigs)?;
        let mut pruner = Pruner::default();
        let mut listeners = vec![];
        let mut http_alpn = HttpAlpn::default();
        for value in found(configs, "ListenersConfigDump", "listener") {
            http_alpn.learn(value);
            let name = value["name"].as_str().unwrap_or("(unnamed)").to_owned();
            let listener = pruner.read("listeners", value);
            listeners.push(listener.map_err(|reason| DumpError::Listener { name, reason })?);
        }
        let mut unread = BTreeMap::new();
        let clusters = read_all(&mut pruner, &mut unread, "clusters", found(configs, "ClustersConfigDump", "cluster"));
        let routes = read_all(&mut pruner, &mut unread, "routes", found(configs, "RoutesConfigDump", "route_config"));
        let endpoints = found(configs, "EndpointsConfigDump", "endpoint_config");
        let endpoints = read_all(&mut pruner, &mut BTreeMap::new(), "endpoints", endpoints);
        let node = identity::node(configs).ok_or(DumpError::NoNode("node.id"))?;
        let ips = identity::addresses(node).ok_or(DumpError::NoNode("node.metadata.INSTANCE_IPS"))?;
        let mut warnings = pruner.warnings();
        warnings.extend(unread.iter().map(|(name, reason)| format!("{name} is left out: {reason}")));
        if endpoints.is_empty() {
            warnings.push("no endpoints: dump them with /config_dump?include_eds, or the first pod is guessed".into());
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
            http_alpn,
            unread,
        })
    }
}

/// Reads resources; those that can't be read are noted by name.
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

/// The resources of a kind, static and dynamic: wherever in that kind's dump a field of this name stands.
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
