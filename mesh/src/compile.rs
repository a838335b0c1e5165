//! Compiles a resolved mesh to the Envoy files of one pod's sidecar or gateway.
//!
//! Names of listeners, chains, clusters and routes are Istio's. The differences between the two meshes come from
//! [`Decisions`]; what differs from a real istiod's files is in docs/differences.md.

use std::{cell::OnceCell, collections::BTreeMap, path::PathBuf, time::Duration};

use envoy_api::{Bootstrap, Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret};

use crate::{
    flavor::Decisions,
    model::{Mesh, Pod, Protocol, ProtocolField, Pushed, ServicePort, Source},
    redirect::ProxyIdentity,
};

pub(crate) mod access_log;
mod app_tls;
mod authorization;
mod balancing;
mod bootstrap;
mod chain_table;
mod client_tls;
mod clusters;
mod destination;
pub(crate) mod files;
mod filters;
mod gateway;
mod http_route;
mod inbound;
mod inbound_clusters;
mod l4_routes;
mod names;
mod outbound;
mod parts;
pub(crate) mod retries;
mod routes;
mod scope;
mod shared;
mod taken;
pub(crate) mod tls;
mod tracing;
mod traffic_policy;
mod virtual_hosts;

pub use chain_table::{Chain, PortClass, Terminal, Transport, chains};
pub(crate) use names::{ROOT_SECRET, SVID_SECRET, inbound_cluster, parts_of_cluster};

#[cfg(test)]
mod tests;

/// Where a sidecar's files will be, how its packets are recognized, and the options that no manifest sets.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The directory of the files that [`PodConfig::files`] names.
    pub config_dir: PathBuf,
    /// The directory that `access.log` and `keys.log` are written to.
    pub log_dir: PathBuf,
    /// How the redirect rules recognize the sidecar's packets.
    pub redirect: ProxyIdentity,
    /// The options that no manifest sets.
    pub options: Options,
}

impl Placement {
    /// Everything in one folder, for configurations that are not run: redirects as Istio's, and default options.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let config_dir = folder.into();
        Self { log_dir: config_dir.clone(), config_dir, redirect: ProxyIdentity::ISTIO, options: Options::default() }
    }
}

/// Options that no manifest sets: what a lab observes, and what a bench varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether the session secrets of each TLS connection are written to `keys.log`. Only inside a lab.
    pub key_log: bool,
    /// Whether connections and requests are written to `access.log`.
    pub access_log: bool,
    /// Whether TLS sessions are resumed, within Envoy's defaults. A resumed session shows no certificates.
    pub resumption: bool,
    /// The only key exchange group, by Envoy's name; by default those that Envoy offers.
    pub group: Option<String>,
}

impl Default for Options {
    /// Only an access log.
    fn default() -> Self {
        Self { key_log: false, access_log: true, resumption: false, group: None }
    }
}

/// The configuration of one sidecar.
#[derive(Clone, Debug)]
pub struct PodConfig {
    pub bootstrap: Bootstrap,
    /// LDS.
    pub listeners: Vec<Listener>,
    /// RDS: the routes that listeners name.
    pub routes: Vec<RouteConfiguration>,
    /// CDS.
    pub clusters: Vec<Cluster>,
    /// EDS: the endpoints that clusters name.
    pub endpoints: Vec<ClusterLoadAssignment>,
    /// The secrets that the mesh's authority issues: `default` (the workload's SVID) and `ROOTCA` (the mesh root).
    pub secret_names: Vec<String>,
    /// The secrets that DestinationRules name, by name; `None` if there is no such secret. Then its file is empty,
    /// and the connections that need it fail, as in Istio.
    pub own_secrets: BTreeMap<String, Option<Secret>>,
    /// The reason for each resource.
    pub provenance: Vec<Provenance>,
    /// The resources as another control plane wrote them, each with its type, where one did: files then have these.
    pub as_written: Option<Pushed>,
}

impl PodConfig {
    /// The reason for a resource, as an explanation shows it.
    pub fn why(&self, resource: &Resource) -> Option<&Provenance> {
        self.provenance.iter().find(|p| p.resource == *resource)
    }
}

/// The reason for a resource, as an explanation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    pub resource: Resource,
    /// The reason, in words.
    pub because: String,
    /// The document and field that decided.
    pub source: Source,
}

/// A resource of a [`PodConfig`], or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Listener(String),
    /// A filter chain of a listener.
    FilterChain {
        listener: String,
        /// The index in `filter_chains`; `None` is the default chain.
        chain: Option<usize>,
    },
    /// A virtual host of a route configuration.
    VirtualHost {
        /// The route configuration.
        routes: String,
        /// The virtual host.
        host: String,
    },
    /// A route of a virtual host.
    Route {
        /// The route configuration.
        routes: String,
        /// The virtual host.
        host: String,
        /// Its index.
        route: usize,
    },
    Cluster(String),
    /// Whether a cluster's connections are mTLS, plaintext, or depend on the endpoint.
    TransportSocket {
        cluster: String,
    },
    /// A rule of an AuthorizationPolicy, by its name in Envoy's configuration.
    Authorization(String),
    /// Such a rule on TCP ports, where it is without fields that it has for requests.
    AuthorizationOfConnections(String),
    /// Whether an endpoint takes mTLS (its metadata `tlsMode`).
    Endpoint {
        cluster: String,
        /// Its address, or the name that it resolves.
        host: String,
        port: u16,
    },
}

/// Compiles the files of a pod's sidecar. The caller checks that the pod has one.
///
/// # Panics
/// If `pod` is not an index of [`pods`](crate::model::Resolved::pods).
pub fn compile(mesh: &Mesh, pod: usize, placement: &Placement) -> PodConfig {
    let mut compiler = Compiler {
        mesh,
        pod: &mesh.pods[pod],
        known: scope::Known::to(&mesh.pods[pod], mesh),
        entries: destination::entries(mesh),
        index: pod,
        placement,
        decisions: Decisions::of(mesh.flavor),
        provenance: vec![],
        traced: OnceCell::new(),
        secrets: BTreeMap::new(),
    };
    let (mut clusters, endpoints) = compiler.clusters();
    for cluster in &mut clusters {
        cluster.connect_timeout.get_or_insert(Duration::from_millis(mesh.config.connect_timeout_ms).into());
    }
    let (listeners, routes) = if compiler.pod.is_gateway() {
        let merged = mesh.merged_gateway(pod);
        (compiler.gateway_listeners(&merged), compiler.gateway_routes(&merged))
    } else {
        let mut listeners = compiler.outbound_listeners();
        listeners.push(compiler.virtual_inbound());
        let routes = compiler.routes(&listeners);
        (listeners, routes)
    };
    compiler.authorization_provenance();
    PodConfig {
        bootstrap: compiler.bootstrap(),
        routes,
        listeners,
        clusters,
        endpoints,
        secret_names: vec![SVID_SECRET.into(), ROOT_SECRET.into()],
        own_secrets: compiler.secrets,
        provenance: compiler.provenance,
        as_written: None,
    }
}

/// One compilation. Its methods, in the submodules, each produce one kind of resource.
struct Compiler<'a> {
    mesh: &'a Mesh,
    pod: &'a Pod,
    /// What it knows of the mesh.
    known: scope::Known<'a>,
    entries: destination::Entries<'a>,
    /// The pod's index in the mesh.
    index: usize,
    placement: &'a Placement,
    decisions: Decisions,
    provenance: Vec<Provenance>,
    /// The tracing of calls that its app makes, and of those that it answers.
    traced: OnceCell<[tracing::Traced; 2]>,
    /// See [`PodConfig::own_secrets`].
    secrets: BTreeMap<String, Option<Secret>>,
}

impl<'a> Compiler<'a> {
    fn options(&self) -> &'a Options {
        &self.placement.options
    }

    /// Records the reason for a resource.
    fn because(&mut self, resource: Resource, because: impl Into<String>, source: &Source) {
        self.provenance.push(Provenance { resource, because: because.into(), source: source.clone() });
    }

    /// How the sidecar handles a protocol.
    fn class(&self, protocol: Protocol) -> PortClass {
        match protocol {
            _ if protocol.is_http() => PortClass::Http,
            Protocol::Auto if self.decisions.detects_protocols => PortClass::Detected,
            _ => PortClass::Tcp,
        }
    }
}

/// The reason for a port's protocol, as an explanation shows it.
fn protocol_because(port: &ServicePort) -> String {
    let ServicePort { name, port: number, protocol, protocol_field, .. } = port;
    if *protocol_field == ProtocolField::AppProtocol {
        format!("appProtocol of port {number} says {protocol}")
    } else if *number == 0 || name.is_empty() {
        format!("port {number} is unnamed: {protocol}")
    } else {
        format!("port {number} named {name}: {protocol}")
    }
}
