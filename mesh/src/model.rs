//! The mesh as resolved from its manifests: what the compiler and the prediction both read.
//!
//! Everything that manifests leave open (addresses, ports, policies, who has a sidecar) is settled here. Where a value
//! came from a document, a [`Source`] says which, so that an explanation can name it.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

/// Which of the two meshes is compiled: they differ only in `flavor::Decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// The mesh as it is commonly told and taught.
    Textbook,
    /// What a current Istio control plane generates.
    Istio,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Textbook => "textbook",
            Self::Istio => "istio",
        })
    }
}

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

/// The whole mesh.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Which mesh is compiled.
    pub flavor: Flavor,
    /// Mesh-wide settings.
    pub config: MeshConfig,
    /// Pods in order of namespace and name.
    pub pods: Vec<Pod>,
    /// Services in order of namespace and name.
    pub services: Vec<Service>,
    /// Namespaces that any document names.
    pub namespaces: BTreeMap<String, Namespace>,
}

/// What MeshConfig says (`istio.mesh.v1alpha1.MeshConfig`), as far as it is supported.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// `trustDomain`; `cluster.local`.
    pub trust_domain: String,
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
    /// Where each of these was set.
    pub source: Source,
}

impl MeshConfig {
    /// The trust domain as it stands in SPIFFE ids, which may not hold an `@` (`pkg/spiffe/spiffe.go`).
    pub fn spiffe_domain(&self) -> String {
        self.trust_domain.replace('@', ".")
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

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its name.
    pub name: ObjectName,
    /// Its labels, those of injection included.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What made it: its Deployment's name, or its own.
    pub workload: String,
    /// Its service account.
    pub service_account: String,
    /// Its addresses.
    pub ips: PodIps,
    /// Its programs.
    pub containers: Vec<Container>,
    /// Whether it was given a sidecar, and why.
    pub injection: Injection,
    /// Its sidecar, if it was injected.
    pub sidecar: Option<Sidecar>,
    /// Which PeerAuthentication modes are in force. Without a sidecar nobody enforces them.
    pub peer_authentication: EffectivePeerAuthentication,
    /// Its document (a Deployment's, for a Deployment's pods).
    pub source: Source,
}

/// A pod's addresses, of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodIps {
    /// In 10.244.0.0/16.
    pub v4: Ipv4Addr,
    /// In fd00:244::/64.
    pub v6: Ipv6Addr,
}

impl PodIps {
    /// Whether an address is the pod's.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip == IpAddr::V4(self.v4) || ip == IpAddr::V6(self.v6)
    }

    /// Both, IPv4 first.
    pub fn both(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// An address family. A pod has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// A program of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, such as `sidelab/demo-server`.
    pub image: String,
    /// `command`, or nothing.
    pub command: Vec<String>,
    /// `args`, or nothing.
    pub args: Vec<String>,
    /// Environment: names and literal values.
    pub env: Vec<(String, String)>,
    /// Ports that it declares.
    pub ports: Vec<ContainerPort>,
    /// What it mounts.
    pub mounts: Vec<Mount>,
    /// The user that it runs as (`securityContext.runAsUser`). As 1337 it is taken for the sidecar, and never captured.
    pub run_as_user: Option<u32>,
    /// Where it stands.
    pub source: Source,
}

/// A folder that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: String,
    /// The files in it, of a Secret or a ConfigMap; none in an `emptyDir`.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name, for `targetPort` by name.
    pub name: Option<String>,
    /// The port that the program listens on.
    pub port: u16,
}

/// Whether a pod is given a sidecar, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Whether.
    pub injected: bool,
    /// Why, as the end of a sentence: `the namespace's label says so`.
    pub because: String,
    /// The label or annotation that decided.
    pub source: Source,
}

/// A sidecar, as injection made it.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// What its iptables rules capture.
    pub capture: Capture,
    /// `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub spiffe_id: String,
}

/// What a sidecar's redirects capture, from the `traffic.sidecar.istio.io/*` annotations and injection's defaults
/// (`manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// `interceptionMode` REDIRECT, or NONE: no rules at all.
    pub mode: InterceptionMode,
    /// `includeInboundPorts`.
    pub include_inbound_ports: PortSet,
    /// `excludeInboundPorts`, with injection's own 15090, 15021 and the status port.
    pub exclude_inbound_ports: Vec<u16>,
    /// `includeOutboundPorts`.
    pub include_outbound_ports: Vec<u16>,
    /// `excludeOutboundPorts`.
    pub exclude_outbound_ports: Vec<u16>,
    /// `includeOutboundIPRanges`; `None` means `*`.
    pub include_outbound_ip_ranges: Option<Vec<ipnet::IpNet>>,
    /// `excludeOutboundIPRanges`.
    pub exclude_outbound_ip_ranges: Vec<ipnet::IpNet>,
    /// `excludeInterfaces`.
    pub exclude_interfaces: Vec<String>,
}

/// `sidecar.istio.io/interceptionMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterceptionMode {
    /// iptables REDIRECT.
    Redirect,
    /// No rules.
    None,
}

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSet {
    /// `*`.
    All,
    /// A list, perhaps empty.
    List(Vec<u16>),
}

/// A PeerAuthentication mode in force: never UNSET, which inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MtlsMode {
    /// TLS is not terminated.
    Disable,
    /// Both.
    Permissive,
    /// Only mTLS.
    Strict,
}

/// A mode, and the policy that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The mode.
    pub mode: MtlsMode,
    /// Which policy, such as `PeerAuthentication istio-system/default`, or `default` for the mesh's own.
    pub by: String,
    /// Where it says so.
    pub source: Source,
}

/// The PeerAuthentication modes in force for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePeerAuthentication {
    /// For ports that have no entry of their own.
    pub workload: Decided,
    /// By container port.
    pub ports: BTreeMap<u16, Decided>,
    /// What the namespace and the mesh alone say: all that automatic mTLS looks at for a whole cluster
    /// (`pilot/pkg/networking/core/cluster_builder.go`).
    pub namespace_level: Decided,
}

impl EffectivePeerAuthentication {
    /// The mode in force on a container port.
    pub fn on_port(&self, port: u16) -> &Decided {
        self.ports.get(&port).unwrap_or(&self.workload)
    }
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: ObjectName,
    /// `NAME.NAMESPACE.svc.cluster.local`.
    pub host: String,
    /// Its virtual addresses; none when headless.
    pub vips: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// What selects its pods; none when it has no selector.
    pub selector: Option<BTreeMap<String, String>>,
    /// When it was made: documents without `creationTimestamp` by their order. Smaller is older.
    pub age: Age,
    /// Its document.
    pub source: Source,
}

impl Service {
    /// Whether it has no virtual address.
    pub fn is_headless(&self) -> bool {
        self.vips.is_empty()
    }
}

/// Order of creation: `creationTimestamp` where given, else the order of documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// Seconds since 1970, if given. Objects without one are younger than all with one.
    pub created: Option<i64>,
    /// The order of documents over all files.
    pub order: usize,
}

impl Ord for Age {
    /// Older is less.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |age: &Self| (age.created.is_none(), age.created, age.order);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A port of a service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// Its name; empty when unnamed.
    pub name: String,
    /// The port that callers dial.
    pub port: u16,
    /// What it speaks, and why Istio thinks so.
    pub protocol: Protocol,
    /// Why: the field that decided the protocol.
    pub protocol_source: Source,
    /// The pods behind it, in order of name, each with the container port that `targetPort` is there.
    pub endpoints: Vec<Endpoint>,
}

/// A pod behind a service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Index into [`Mesh::pods`].
    pub pod: usize,
    /// The container port.
    pub port: u16,
}

/// A port's protocol as Istio names it (`pkg/config/protocol/instance.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// `grpc`.
    #[serde(rename = "GRPC")]
    Grpc,
    /// `grpc-web`.
    #[serde(rename = "GRPC-Web")]
    GrpcWeb,
    /// `http`.
    #[serde(rename = "HTTP")]
    Http,
    /// `http2`.
    #[serde(rename = "HTTP2")]
    Http2,
    /// `http_proxy`.
    #[serde(rename = "HTTP_PROXY")]
    HttpProxy,
    /// `https`.
    #[serde(rename = "HTTPS")]
    Https,
    /// `mongo`.
    #[serde(rename = "Mongo")]
    Mongo,
    /// `mysql`.
    #[serde(rename = "MySQL")]
    MySql,
    /// `redis`.
    #[serde(rename = "Redis")]
    Redis,
    /// `tcp`.
    #[serde(rename = "TCP")]
    Tcp,
    /// `tls`.
    #[serde(rename = "TLS")]
    Tls,
    /// `udp`: never captured.
    #[serde(rename = "UDP")]
    Udp,
    /// Detected for each connection.
    #[serde(rename = "auto")]
    Auto,
}

impl Protocol {
    /// Whether the sidecar treats it as HTTP.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::Http | Self::Http2 | Self::HttpProxy)
    }

    /// Whether it is HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::Http2)
    }

    /// Whether the sidecar finds it out for each connection.
    pub fn is_auto(self) -> bool {
        self == Self::Auto
    }

    /// Whether it is TLS of the app's own.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}
