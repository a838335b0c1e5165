//! The compiler: from the resolved mesh to the Envoy files of one pod's sidecar.

use std::path::PathBuf;

use envoy_api::{Bootstrap, Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret};
use serde_json::Value;

use crate::{
    model::{Mesh, Source},
    redirect::ProxyIdentity,
};

/// Where a sidecar's files will lie, and how its packets are told from the app's.
#[derive(Clone, Debug)]
pub struct Placement {
    /// The directory of the files that [`PodConfig::files`] names.
    pub config_dir: PathBuf,
    /// The directory that `access.log` and `keys.log` are written to.
    pub log_dir: PathBuf,
    /// Whether the session secrets of each TLS connection are written to `keys.log`. Only inside a lab.
    pub key_log: bool,
    /// How the redirect rules tell the sidecar's packets from the app's.
    pub redirect: ProxyIdentity,
}

/// What one sidecar is given.
#[derive(Clone, Debug)]
pub struct PodConfig {
    /// What it starts with.
    pub bootstrap: Bootstrap,
    /// LDS.
    pub listeners: Vec<Listener>,
    /// RDS: the routes that listeners name.
    pub routes: Vec<RouteConfiguration>,
    /// CDS.
    pub clusters: Vec<Cluster>,
    /// EDS: the endpoints that clusters name.
    pub endpoints: Vec<ClusterLoadAssignment>,
    /// The secrets that TLS contexts name: `default` (the workload's SVID) and `ROOTCA` (the mesh root).
    pub secret_names: Vec<String>,
    /// Why each resource is what it is.
    pub provenance: Vec<Provenance>,
}

/// Why a resource is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Which.
    pub resource: Resource,
    /// Why, in words.
    pub because: String,
    /// The document and field that decided.
    pub source: Source,
}

/// A resource of a [`PodConfig`], or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A listener.
    Listener(String),
    /// A filter chain of a listener: its index, or `None` for the default chain.
    FilterChain {
        /// The listener.
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
    /// A cluster.
    Cluster(String),
    /// One of a cluster's transport sockets.
    TransportSocket {
        /// The cluster.
        cluster: String,
        /// The name of the match (`tlsMode-istio`, `tlsMode-disabled`); empty for the cluster's only one.
        name: String,
    },
    /// Whether an endpoint takes mTLS (its metadata `tlsMode`).
    Endpoint {
        /// The cluster.
        cluster: String,
        /// `IP:PORT`.
        address: std::net::SocketAddr,
    },
}

/// Compiles the files of a pod's sidecar. Whether the pod has one is the caller's to ask.
///
/// # Panics
/// When `pod` is no index of [`Mesh::pods`].
pub fn compile(mesh: &Mesh, pod: usize, placement: &Placement) -> PodConfig {
    let _ = (&mesh.pods[pod], placement);
    PodConfig {
        bootstrap: Bootstrap::default(),
        listeners: vec![],
        routes: vec![],
        clusters: vec![],
        endpoints: vec![],
        secret_names: vec![],
        provenance: vec![],
    }
}

impl PodConfig {
    /// Every file, by its path in [`Placement::config_dir`], as JSON text. Secrets that no resource names are written too.
    pub fn files(&self, _secrets: &[Secret]) -> Vec<(PathBuf, String)> {
        vec![]
    }

    /// Everything as one JSON object: `listeners`, `routes`, `clusters`, `endpoints`, `secrets`; private keys redacted.
    pub fn to_json(&self, _secrets: &[Secret]) -> Value {
        Value::Null
    }

    /// Why a resource is what it is.
    pub fn why(&self, resource: &Resource) -> Option<&Provenance> {
        self.provenance.iter().find(|p| p.resource == *resource)
    }
}
