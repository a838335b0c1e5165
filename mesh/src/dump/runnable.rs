//! A dump as a sidecar that a lab can run: what came from the control plane, without what a lab can't run.

use std::net::IpAddr;

use envoy_api::{Listener, NetworkFilter, Resource};
use serde_json::Value;

use crate::{
    compile::Placement,
    compile::{ROOT_SECRET, SVID_SECRET},
    control_plane::place,
    model::{ObjectName, Pushed},
    system_roots,
};

use super::{DumpError, identity, prune::Pruner, refusal};

/// The secrets that a lab's mesh authority issues to every sidecar.
const ISSUED: [&str; 3] = [SVID_SECRET, ROOT_SECRET, system_roots::SECRET];

/// A dumped sidecar that can run again.
#[derive(Clone, Debug)]
pub struct Runnable {
    pub(super) name: ObjectName,
    /// Its addresses when it was dumped.
    pub(super) ips: Vec<IpAddr>,
    /// The trust domain of its certificate.
    pub(super) trust_domain: String,
    pub(super) service_account: String,
    /// The node's metadata, from Istio's agent.
    pub(super) metadata: Value,
    /// What a control plane pushed to it, with the addresses of the dump.
    pub(super) pushed: Pushed,
    /// What can't run, and the consequences.
    pub left_out: Vec<String>,
}

impl Runnable {
    /// Reads a dump.
    ///
    /// # Errors
    /// If the text is not a sidecar's dump, has no endpoints, or a listener that all calls use can't run.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        let dump = refusal::json(text)?;
        let (configs, node, ips) = super::sidecar(&dump)?;
        let pod = identity::pod(node);
        let (name, namespace) = pod.rsplit_once('.').unwrap_or((&pod, "default"));
        let id = identity::spiffe_id(configs, node).unwrap_or_default();
        let (trust_domain, service_account) = parts_of_id(&id).unwrap_or((identity::DEFAULT_TRUST_DOMAIN, "default"));
        let written = pushed(configs);
        if written.listeners.is_empty() {
            return Err(DumpError::NoListeners);
        }
        if written.endpoints.is_empty() && written.clusters.iter().any(|cluster| cluster["type"] == "EDS") {
            return Err(DumpError::NoEndpoints);
        }
        let (placed, secrets) = place::placed(&written, &Placement::in_folder("/"));
        let mut left_out: Vec<String> =
            identity::other_version(node, "the lab's sidecars decide as").into_iter().collect();
        let mut reader = Reader { pruner: Pruner::default(), left_out: Vec::new() };
        let pushed = Pushed {
            listeners: reader.listeners(placed.listeners)?,
            routes: reader.all("routes", placed.routes),
            clusters: reader.all("clusters", placed.clusters),
            endpoints: reader.all("endpoints", placed.endpoints),
        };
        left_out.extend(reader.pruner.warnings());
        left_out.extend(reader.left_out);
        let missing = secrets.into_iter().filter(|secret| !ISSUED.contains(&secret.as_str()));
        left_out.extend(missing.map(|secret| {
            format!("secret {secret}: dumps contain no keys, and it is not the mesh's; connections that need it fail")
        }));
        Ok(Self {
            name: ObjectName { namespace: namespace.into(), name: name.into() },
            ips,
            trust_domain: trust_domain.into(),
            service_account: service_account.into(),
            metadata: node["metadata"].clone(),
            pushed,
            left_out,
        })
    }
}

/// Trust domain and service account of `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.
fn parts_of_id(id: &str) -> Option<(&str, &str)> {
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    Some((domain, path.rsplit_once("/sa/")?.1))
}

/// What a control plane pushed; what the bootstrap contains is the agent's.
fn pushed(configs: &[Value]) -> Pushed {
    let resources = |section: &str, list: &str, place: &str| -> Vec<Value> {
        let is_it = |config: &&Value| config["@type"].as_str().is_some_and(|url| url.ends_with(section));
        let lists = configs.iter().filter(is_it).filter_map(|config| config[list].as_array());
        let found = lists.flatten().filter_map(|entry| entry.pointer(place)).cloned();
        found.map(without_key_log).collect()
    };
    Pushed {
        listeners: resources("ListenersConfigDump", "dynamic_listeners", "/active_state/listener"),
        routes: resources("RoutesConfigDump", "dynamic_route_configs", "/route_config"),
        clusters: resources("ClustersConfigDump", "dynamic_active_clusters", "/cluster"),
        endpoints: resources("EndpointsConfigDump", "dynamic_endpoint_configs", "/endpoint_config"),
    }
}

/// Removes where keys are logged, which is a file of the pod that was dumped.
fn without_key_log(mut value: Value) -> Value {
    fn remove(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.shift_remove("key_log");
                fields.values_mut().for_each(remove);
            }
            Value::Array(items) => items.iter_mut().for_each(remove),
            _ => {}
        }
    }
    remove(&mut value);
    value
}

/// Reads resources, and records what it left out.
struct Reader {
    pruner: Pruner,
    left_out: Vec<String>,
}

impl Reader {
    fn one(&mut self, kind: &'static str, value: Value) -> Result<(Resource, Value), String> {
        let (read, pruned) = self.pruner.prune(kind, value)?;
        match foreign_key(&pruned) {
            Some(reason) => Err(reason),
            None => Ok((read, pruned)),
        }
    }

    /// Reads all resources of a kind that can be read.
    fn all(&mut self, kind: &'static str, values: Vec<Value>) -> Vec<Value> {
        let mut kept = Vec::new();
        for value in values {
            let name = place::name(&value).to_owned();
            match self.one(kind, value) {
                Ok((_, pruned)) => kept.push(pruned),
                Err(reason) => self.left_out.push(format!("{name} is left out: {reason}")),
            }
        }
        kept
    }

    fn listeners(&mut self, values: Vec<Value>) -> Result<Vec<Value>, DumpError> {
        let mut kept = Vec::new();
        for value in values {
            let name = place::name(&value).to_owned();
            let is_bound = value["bind_to_port"] != false;
            match self.one("listeners", value).and_then(|(read, pruned)| forwards(&read).map(|()| pruned)) {
                Ok(pruned) => kept.push(pruned),
                // Every call uses those that are bound, and only some the others.
                Err(reason) if is_bound => return Err(DumpError::Listener { name, reason }),
                Err(reason) => self.left_out.push(format!("listener {name} is left out: {reason}")),
            }
        }
        Ok(kept)
    }
}

/// Checks that each chain of a listener still ends with a filter that forwards.
fn forwards(resource: &Resource) -> Result<(), String> {
    let Resource::Listener(Listener { filter_chains, default_filter_chain, .. }) = resource else { return Ok(()) };
    let forwards =
        |filter: &NetworkFilter| matches!(filter, NetworkFilter::TcpProxy(_) | NetworkFilter::HttpConnectionManager(_));
    let chains = filter_chains.iter().chain(default_filter_chain.as_deref());
    let is_cut = |chain: &envoy_api::FilterChain| !chain.filters.last().is_some_and(|f| forwards(&f.typed_config));
    match chains.filter(|chain| is_cut(chain)).count() {
        0 => Ok(()),
        cut => Err(format!("{cut} of its filter chains end with a filter that is not supported")),
    }
}

/// Why a resource can't run: its TLS has a key of its own, which dumps do not contain, or files of the pod that was dumped.
fn foreign_key(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("tls_certificates") {
                return Some("its certificate is written in it, and dumps contain no keys".into());
            }
            let file = fields.get("trusted_ca").and_then(|ca| ca["filename"].as_str());
            let file = file.map(|file| format!("it trusts {file}, a file of the pod that was dumped"));
            file.or_else(|| fields.values().find_map(foreign_key))
        }
        Value::Array(items) => items.iter().find_map(foreign_key),
        _ => None,
    }
}
