//! Everything that manifests define, resolved.

use std::collections::BTreeMap;

use super::{
    destination_rule::DestinationRules,
    envoy_filter::EnvoyFilter,
    mesh_config::MeshConfig,
    not_modelled::{NotModelled, PolicyHead},
    object::{ObjectName, Source},
    peer_authentication::Decided,
    pod::Pod,
    service::Service,
    webhook::Webhook,
};

/// Resolved manifests, independent of the mesh compiled from them.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: MeshConfig,
    /// Pods in order of namespace and name.
    pub pods: Vec<Pod>,
    /// Kubernetes' services in order of namespace and name.
    pub services: Vec<Service>,
    /// Services of type ExternalName: DNS aliases of hosts.
    pub external_names: Vec<ExternalName>,
    /// The services of ServiceEntries, one for each host, the oldest first. Only sidecars know them, not the node or DNS.
    pub entries: Vec<Service>,
    /// DestinationRules, as clients look them up.
    pub destination_rules: DestinationRules,
    /// EnvoyFilters, those of the root namespace first, each namespace's by age.
    pub envoy_filters: Vec<EnvoyFilter>,
    /// The contents of Secrets, by name.
    pub secrets: BTreeMap<ObjectName, BTreeMap<String, Vec<u8>>>,
    /// All namespaces that documents refer to.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The PeerAuthentication mode of each namespace as a whole.
    pub namespace_modes: BTreeMap<String, Decided>,
    /// Admission webhooks, in the order of documents.
    pub webhooks: Vec<Webhook>,
    /// All PeerAuthentications, in the order of documents.
    pub policies: Vec<PolicyHead>,
    /// Objects that are not modelled and may change an answer, in the order of documents.
    pub not_modelled: Vec<NotModelled>,
}

/// A Service of type ExternalName: an alias in the cluster's DNS.
#[derive(Clone, Debug)]
pub struct ExternalName {
    pub name: ObjectName,
    /// `NAME.NAMESPACE.svc.cluster.local`.
    pub host: String,
    /// The host that it is an alias of.
    pub target: String,
    pub source: Source,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its labels (`istio-injection`).
    pub labels: BTreeMap<String, String>,
}
