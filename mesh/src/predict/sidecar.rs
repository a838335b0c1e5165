//! The configuration of one sidecar, indexed for the simulation.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, SocketAddr},
};

use envoy_api::{Cluster, ClusterLoadAssignment, FilterChain, LbEndpoint, Listener, RouteConfiguration};
use envoy_rules::{BuildError, ChainTable, ListenerTable};

use crate::{
    compile::{PodConfig, Provenance, Resource},
    dump::EnvoyDump,
};

use super::certificate::{Certificate, Material};

/// A sidecar's configuration.
#[derive(Debug)]
pub(super) struct Sidecar {
    pub(super) listeners: Vec<Listener>,
    by_address: ListenerTable,
    chains: Vec<ChainTable>,
    routes: HashMap<String, RouteConfiguration>,
    clusters: HashMap<String, Cluster>,
    endpoints: HashMap<String, ClusterLoadAssignment>,
    provenance: Vec<Provenance>,
    unread: BTreeMap<String, String>,
    /// Its certificates and roots.
    pub(super) material: Material,
}

impl Sidecar {
    /// # Errors
    /// If Envoy would reject a listener.
    pub(super) fn new(config: PodConfig, svid: Option<Certificate>) -> Result<Self, (String, BuildError)> {
        let PodConfig { listeners, routes, clusters, endpoints, provenance, bootstrap, own_secrets, .. } = config;
        let clusters = bootstrap.static_resources.clusters.into_iter().chain(clusters);
        let sidecar = Self::build(listeners, routes, clusters, endpoints)?;
        Ok(Self { provenance, material: Material::new(svid, own_secrets), ..sidecar })
    }

    /// # Errors
    /// If Envoy would reject a listener.
    pub(super) fn of_dump(
        dump: &EnvoyDump,
        endpoints: Vec<ClusterLoadAssignment>,
    ) -> Result<Self, (String, BuildError)> {
        let EnvoyDump { listeners, routes, clusters, .. } = dump.clone();
        let sidecar = Self::build(listeners, routes, clusters, endpoints)?;
        let EnvoyDump { identity, unread, .. } = dump.clone();
        let material = Material::new(identity.as_deref().map(Certificate::of_mesh), BTreeMap::new());
        Ok(Self { material, unread, ..sidecar })
    }

    fn build(
        listeners: Vec<Listener>,
        routes: Vec<RouteConfiguration>,
        clusters: impl IntoIterator<Item = Cluster>,
        endpoints: Vec<ClusterLoadAssignment>,
    ) -> Result<Self, (String, BuildError)> {
        let table = |listener: &Listener| ChainTable::new(listener).map_err(|error| (listener.name.clone(), error));
        let chains = listeners.iter().map(table).collect::<Result<_, _>>()?;
        Ok(Self {
            by_address: ListenerTable::new(&listeners),
            chains,
            routes: routes.into_iter().map(|routes| (routes.name.clone(), routes)).collect(),
            clusters: clusters.into_iter().map(|cluster| (cluster.name.clone(), cluster)).collect(),
            endpoints: endpoints.into_iter().map(|set| (set.cluster_name.clone(), set)).collect(),
            listeners,
            provenance: vec![],
            unread: BTreeMap::new(),
            material: Material::default(),
        })
    }

    /// The listener bound to a port, of this address or of all.
    pub(super) fn bound_to(&self, port: u16, address: Option<IpAddr>) -> Option<usize> {
        let is_at = |bound: &str| {
            let bound = bound.parse::<IpAddr>().ok();
            bound.zip(address).is_none_or(|(bound, address)| bound.is_unspecified() || bound == address)
        };
        let bound = |listener: &Listener| {
            let at = &listener.address.socket_address;
            at.port_value == port && listener.bind_to_port.unwrap_or(true) && is_at(&at.address)
        };
        self.listeners.iter().position(bound)
    }

    /// The listener that handles a connection accepted by a bound one.
    pub(super) fn handed_to(&self, accepted_by: usize, destination: SocketAddr) -> usize {
        if !self.listeners[accepted_by].use_original_dst.unwrap_or(false) {
            return accepted_by;
        }
        self.by_address.find(destination).unwrap_or(accepted_by)
    }

    pub(super) fn chains(&self, listener: usize) -> &ChainTable {
        &self.chains[listener]
    }

    pub(super) fn routes(&self, name: &str) -> Option<&RouteConfiguration> {
        self.routes.get(name)
    }

    pub(super) fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.get(name)
    }

    /// A cluster's endpoints, inline or separate.
    pub(super) fn endpoints<'a>(&'a self, cluster: &'a Cluster) -> Vec<&'a LbEndpoint> {
        let by_eds = |config: &envoy_api::EdsClusterConfig| {
            let name = if config.service_name.is_empty() { &cluster.name } else { &config.service_name };
            self.endpoints.get(name)
        };
        let in_place = cluster.load_assignment.as_ref();
        let found = in_place.or_else(|| cluster.eds_cluster_config.as_ref().and_then(by_eds));
        found.into_iter().flat_map(|set| &set.endpoints).flat_map(|locality| &locality.lb_endpoints).collect()
    }

    /// Why a cluster or route configuration that is there can't be used: it could not be read.
    pub(super) fn unread(&self, name: &str) -> Option<&String> {
        self.unread.get(name)
    }

    /// The reason for a resource, if it is known.
    pub(super) fn why(&self, resource: &Resource) -> Option<&Provenance> {
        self.provenance.iter().find(|provenance| provenance.resource == *resource)
    }

    /// The rules of the AuthorizationPolicies for its pod, by their names in its configuration.
    pub(super) fn rules_of_manifests(&self) -> impl Iterator<Item = (&String, &Provenance)> {
        self.provenance.iter().filter_map(|provenance| match &provenance.resource {
            Resource::Authorization(rule) => Some((rule, provenance)),
            _ => None,
        })
    }

    /// The reason for a listener's chains for a destination port.
    pub(super) fn why_of_port(&self, listener: &Listener, port: u16) -> Option<&Provenance> {
        let of = |port| {
            let is_for =
                |chain: &FilterChain| chain.filter_chain_match.as_ref().and_then(|m| m.destination_port) == port;
            let chain = listener.filter_chains.iter().position(is_for)?;
            self.why(&Resource::FilterChain { listener: listener.name.clone(), chain: Some(chain) })
        };
        of(Some(port)).or_else(|| of(None))
    }
}
