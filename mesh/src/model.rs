//! The mesh as resolved from its manifests: what the compiler and the prediction both read.
//!
//! Everything that manifests leave open (addresses, ports, policies, who has a sidecar) is settled here. Where a value
//! came from a document, a [`Source`] says which, so that an explanation can name it.

mod capture;
mod destination_rule;
mod envoy_filter;
mod material;
mod peer_authentication;
mod pod;
mod service;
mod service_entry;
mod svid;
mod webhook;

use std::{collections::BTreeMap, fmt, net::IpAddr, ops::Deref, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    capture::*, destination_rule::*, envoy_filter::*, material::*, peer_authentication::*, pod::*, service::*,
    service_entry::*, svid::*, webhook::*,
};

/// Which of the two meshes is compiled: they differ only in `flavor::Decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// The mesh as it is commonly told and taught.
    Textbook,
    /// What a current Istio control plane generates.
    Istio,
}

crate::display_as_serialized!(Flavor, Family, MtlsMode, Protocol);

/// Where in the manifests something stands: `server.yaml#2 spec.ports[0].name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The file's name as given, or `<stdin>`; `<default>` for what no document says.
    pub file: String,
    /// The document's number in the file, from 1; 0 for what no document says.
    pub document: usize,
    /// The field's path; empty for the whole document.
    pub field: String,
}

impl Source {
    /// For what no document says.
    pub fn default_of(what: &str) -> Self {
        Self { file: "<default>".into(), document: 0, field: what.into() }
    }

    /// The same document, at a field.
    pub fn at(&self, field: impl Into<String>) -> Self {
        Self { field: field.into(), ..self.clone() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.document == 0 {
            return write!(f, "default: {}", self.field);
        }
        write!(f, "{}#{}", self.file, self.document)?;
        if self.field.is_empty() { Ok(()) } else { write!(f, " {}", self.field) }
    }
}

/// A namespaced object's name: `NAME.NAMESPACE`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

/// What manifests make, seen as one of the two meshes. Both are made of the same [`Resolved`].
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Which mesh is compiled.
    pub flavor: Flavor,
    resolved: Arc<Resolved>,
}

impl Mesh {
    /// Sees it as one of the two meshes.
    pub fn new(resolved: Arc<Resolved>, flavor: Flavor) -> Self {
        Self { flavor, resolved }
    }
}

impl Deref for Mesh {
    type Target = Resolved;

    fn deref(&self) -> &Resolved {
        &self.resolved
    }
}

/// What manifests make, whichever mesh is compiled from it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Mesh-wide settings.
    pub config: MeshConfig,
    /// Pods in order of namespace and name.
    pub pods: Vec<Pod>,
    /// Kubernetes' services in order of namespace and name.
    pub services: Vec<Service>,
    /// Services of type ExternalName: other names of hosts.
    pub external_names: Vec<ExternalName>,
    /// What ServiceEntries add to them, a service for each host, the oldest first. Only sidecars know of it: neither the node nor DNS
    /// does.
    pub entries: Vec<Service>,
    /// DestinationRules, as clients look them up.
    pub destination_rules: DestinationRules,
    /// EnvoyFilters, those of the root namespace first, each namespace's by age.
    pub envoy_filters: Vec<EnvoyFilter>,
    /// What Secrets hold, by name.
    pub secrets: BTreeMap<ObjectName, BTreeMap<String, Vec<u8>>>,
    /// Namespaces that any document names.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The PeerAuthentication mode of each of them as a whole.
    pub namespace_modes: BTreeMap<String, Decided>,
    /// Admission webhooks, in the order of documents.
    pub webhooks: Vec<Webhook>,
}

/// A Service of type ExternalName: a name in the cluster's DNS that stands for another one.
#[derive(Clone, Debug)]
pub struct ExternalName {
    /// Its name.
    pub name: ObjectName,
    /// `NAME.NAMESPACE.svc.cluster.local`.
    pub host: String,
    /// The host that it stands for.
    pub target: String,
    /// Its document.
    pub source: Source,
}

/// What MeshConfig says (`istio.mesh.v1alpha1.MeshConfig`), as far as it is supported.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// `trustDomain`; `cluster.local`.
    pub trust_domain: String,
    /// `trustDomainAliases`: other trust domains whose workloads are the mesh's own.
    pub trust_domain_aliases: Vec<String>,
    /// `rootNamespace`; `istio-system`.
    pub root_namespace: String,
    /// `enableAutoMtls`; true.
    pub enable_auto_mtls: bool,
    /// `outboundTrafficPolicy.mode`; ALLOW_ANY.
    pub outbound_traffic_policy: OutboundTrafficPolicy,
    /// `accessLogFile`: whether there is an access log; a lab always writes one, since verdicts are read from it.
    pub access_log_file: Option<String>,
    /// `accessLogEncoding` JSON rather than TEXT.
    pub access_log_json: bool,
    /// `protocolDetectionTimeout` in milliseconds; 0 waits for ever.
    pub protocol_detection_timeout_ms: u64,
    /// `meshMTLS`: of TLS between sidecars, on the server's side.
    pub mesh_mtls: MeshTls,
    /// `tlsDefaults`: of all other TLS.
    pub tls_defaults: MeshTls,
    /// `defaultConfig`: every pod's ProxyConfig, as far as it says nothing of its own.
    pub proxy_config: Map<String, Value>,
    /// What every pod's annotations are taken to be where it has none of their name (`values.global.proxy` of Istio's charts).
    pub injection_defaults: BTreeMap<String, String>,
    /// Where each of these was set.
    pub source: Source,
}

/// `MeshConfig.TLSConfig`; what is empty is Istio's own choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshTls {
    /// `minProtocolVersion`.
    pub floor: TlsFloor,
    /// `cipherSuites`, of TLS 1.2.
    pub cipher_suites: Vec<String>,
    /// `ecdhCurves`.
    pub ecdh_curves: Vec<String>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsFloor {
    /// Istio's own choice, which is 1.2.
    #[default]
    Auto,
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl MeshConfig {
    /// The trust domain as it stands in SPIFFE ids, which may not hold an `@` (`pkg/spiffe/spiffe.go`).
    pub fn spiffe_domain(&self) -> String {
        self.trust_domain.replace('@', ".")
    }

    /// The trust domain and its aliases, as they stand in SPIFFE ids.
    pub fn spiffe_domains(&self) -> impl Iterator<Item = String> {
        [&self.trust_domain].into_iter().chain(&self.trust_domain_aliases).map(|domain| domain.replace('@', "."))
    }

    /// The ids that a service account may have: of the trust domain, and of each alias (`ExpandWithTrustDomains` in
    /// `pkg/spiffe/spiffe.go`).
    pub fn spiffe_ids(&self, namespace: &str, service_account: &str) -> Vec<String> {
        self.spiffe_domains().map(|domain| format!("spiffe://{domain}/ns/{namespace}/sa/{service_account}")).collect()
    }

    /// The SPIFFE id of a service account: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub fn spiffe_id(&self, namespace: &str, service_account: &str) -> String {
        format!("spiffe://{}/ns/{namespace}/sa/{service_account}", self.spiffe_domain())
    }
}

/// `MeshConfig.OutboundTrafficPolicy.Mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundTrafficPolicy {
    /// What the mesh doesn't know is passed on to where it was going.
    AllowAny,
    /// What the mesh doesn't know goes nowhere.
    RegistryOnly,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its labels (`istio-injection`).
    pub labels: BTreeMap<String, String>,
}

/// An address family. A pod has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// `ipv4`.
    Ipv4,
    /// `ipv6`.
    Ipv6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// Which family an address is of.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}
