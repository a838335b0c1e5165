//! Pods, their programs and their sidecars.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use super::{
    capture::Capture,
    family::Family,
    node_metadata::NodeMetadata,
    object::{ObjectName, Source},
    peer_authentication::EffectivePeerAuthentication,
    svid::SvidKind,
};

/// The label that marks an endpoint for automatic mTLS; injection sets it on pods.
pub(crate) const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// The value of that label.
pub(crate) const TLS_MODE_ISTIO: &str = "istio";

/// The sidecar's container, in a pod that has been injected.
pub(crate) const SIDECAR_CONTAINER: &str = "istio-proxy";

/// The image that stands where injection is to put the proxy's.
pub(crate) const PLACEHOLDER: &str = "auto";

#[derive(Clone, Debug)]
pub struct Pod {
    pub name: ObjectName,
    /// Its labels, including those of injection.
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// The name of its top-level owner, such as a Deployment, or its own.
    pub workload: String,
    /// The kind and name of its document, such as `Deployment server`.
    pub document: String,
    /// Its hostname (`hostname`).
    pub hostname: String,
    /// Additional entries of its `/etc/hosts` (`hostAliases`).
    pub host_aliases: Vec<(IpAddr, Vec<String>)>,
    /// Its full name in DNS, if a headless service gives it one: `db-0.db.default.svc.cluster.local`.
    pub dns_name: Option<String>,
    pub service_account: String,
    pub ips: PodIps,
    /// Its addresses in the cluster that its manifest comes from (`status.podIPs`).
    pub cluster_ips: Vec<IpAddr>,
    /// The names of the external host that it plays (`sidelab.io/external-host`); empty for a pod of the cluster.
    pub external_hosts: Vec<String>,
    pub containers: Vec<Container>,
    /// Whether it gets a sidecar, and the reason.
    pub injection: Injection,
    /// Its sidecar, if it was injected.
    pub sidecar: Option<Sidecar>,
    /// Its role that cannot be predicted, if it has one, with its place.
    pub unmodelled: Option<(Unmodelled, Source)>,
    /// The PeerAuthentication modes in force. Without a sidecar nothing enforces them.
    pub peer_authentication: EffectivePeerAuthentication,
    /// Its document (a Deployment's, for a Deployment's pods).
    pub source: Source,
}

impl Pod {
    /// Whether its proxy is a gateway.
    pub fn is_gateway(&self) -> bool {
        self.sidecar.as_ref().is_some_and(|proxy| proxy.role == ProxyRole::Router)
    }

    /// Whether it plays a host outside the cluster.
    pub fn is_external(&self) -> bool {
        !self.external_hosts.is_empty()
    }

    /// Its addresses: of a host outside the cluster those by which the cluster knows it, if it says any.
    pub fn addresses(&self) -> Vec<IpAddr> {
        if self.is_external() && !self.cluster_ips.is_empty() {
            self.cluster_ips.clone()
        } else {
            self.ips.both().into()
        }
    }

    /// The addresses that its `/etc/hosts` has for a name; they take precedence over DNS.
    pub fn in_hosts_file(&self, name: &str) -> Vec<IpAddr> {
        let is = |other: &String| other.eq_ignore_ascii_case(name);
        if name.eq_ignore_ascii_case("localhost") {
            return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        let own = self.ips.both().into_iter().filter(|_| is(&self.hostname));
        let aliases = self.host_aliases.iter().filter(|(_, names)| names.iter().any(is)).map(|(ip, _)| *ip);
        own.chain(aliases).collect()
    }
}

/// A pod's addresses, of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodIps {
    /// In 10.244.0.0/16; outside the cluster in 203.0.113.0/24.
    pub v4: Ipv4Addr,
    /// In fd00:244::/64; outside the cluster in 2001:db8:cafe::/64.
    pub v6: Ipv6Addr,
}

impl PodIps {
    /// Whether one of the addresses is `ip`.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip == IpAddr::V4(self.v4) || ip == IpAddr::V6(self.v6)
    }

    /// The address of a family.
    pub fn of(&self, family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => self.v4.into(),
            Family::Ipv6 => self.v6.into(),
        }
    }

    /// Both, IPv4 first.
    pub fn both(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// A program of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
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
    pub mounts: Vec<Mount>,
    /// The user that it runs as (`securityContext.runAsUser`). User 1337 is treated as the sidecar, and never captured.
    pub run_as_user: Option<u32>,
    /// Succeeds once the program has started (`startupProbe`).
    pub startup: Option<Probe>,
    /// Succeeds while the pod can receive calls (`readinessProbe`).
    pub readiness: Option<Probe>,
    /// Succeeds while the program is alive (`livenessProbe`).
    pub liveness: Option<Probe>,
    /// The stand-in that runs instead of its program, if this host does not have it.
    pub stand_in: Option<StandIn>,
    /// Its place in the manifests.
    pub source: Source,
}

/// A container's startup, readiness or liveness probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub check: Check,
    /// The time between two tries, in seconds (`periodSeconds`).
    pub period: u32,
    /// How long an answer may take, in seconds (`timeoutSeconds`).
    pub timeout: u32,
}

/// The action of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A GET, answered with a status from 200 to 399.
    Http {
        /// Whether the request is sent inside TLS. The certificate is not verified.
        tls: bool,
        port: u16,
        path: String,
        headers: Vec<(String, String)>,
    },
    /// A connection.
    Tcp(u16),
    /// gRPC's health service.
    Grpc(u16),
    /// A program in the container, which ends with 0.
    Exec(Vec<String>),
}

impl Check {
    /// The port that it connects to, if it does.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Http { port, .. } | Self::Tcp(port) | Self::Grpc(port) => Some(*port),
            Self::Exec(_) => None,
        }
    }
}

/// A stand-in: a program that runs instead of one that this host does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// The image that it replaces.
    pub image: String,
    /// The ports that it listens on, each with its protocol.
    pub ports: Vec<(u16, demo_args::Protocol)>,
    /// The names in the certificate that the lab issues to it; empty if it needs none or mounts its own.
    pub names: Vec<String>,
}

impl StandIn {
    /// The mount path of the lab's certificate, as `tls.crt` and `tls.key`.
    pub const CERTIFICATE_FOLDER: &str = "/etc/sidelab-stand-in";
}

/// A folder that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub path: String,
    /// The files in it, from a Secret or a ConfigMap; none in an `emptyDir`.
    pub files: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name, for `targetPort` by name.
    pub name: Option<String>,
    /// The port that the program listens on.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// Whether a pod gets a sidecar, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injection {
    /// Whether it gets one.
    pub injected: bool,
    /// The reason, as the end of a sentence: `the namespace's label says so`.
    pub because: String,
    /// The label or annotation that decided.
    pub source: Source,
}

/// A role of a pod that is not modelled: its calls are not predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmodelled {
    /// Its node's ztunnel carries its connections.
    Ambient,
    /// It is a gateway of the Kubernetes Gateway API.
    Gateway,
    Waypoint,
    /// Its sidecar captures nothing, and listens at addresses of its own.
    NoRedirects,
}

impl fmt::Display for Unmodelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambient => {
                "is in the ambient mesh: its node's ztunnel carries its connections, which is not modelled yet"
            }
            Self::Gateway => "is a gateway of the Kubernetes Gateway API, which is not modelled yet",
            Self::Waypoint => "is a waypoint of the ambient mesh, which is not modelled yet",
            Self::NoRedirects => {
                "has a sidecar without redirects (interceptionMode NONE), which listens for itself: this is not modelled yet"
            }
        })
    }
}

/// What a proxy does for its pod: the type of its node (`pilot/pkg/model/context.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyRole {
    /// It takes the connections of the pod's app.
    Sidecar,
    /// It is a gateway: callers connect to it, and nothing is redirected.
    Router,
}

/// A pod's proxy.
#[derive(Clone, Debug)]
pub struct Sidecar {
    pub role: ProxyRole,
    /// What its redirects capture; nothing of a gateway's pod.
    pub capture: Capture,
    /// `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub spiffe_id: String,
    /// The kind of its certificate.
    pub svid: SvidKind,
    /// Its mounts: by annotations `sidecar.istio.io/userVolume` and `userVolumeMount`, or as container `istio-proxy`.
    pub mounts: Vec<Mount>,
    /// The container ports on which the textbook's sidecar speaks TLS to its app, with the annotation's place.
    pub tls_to_app: BTreeMap<u16, Source>,
    /// What it reports of itself.
    pub metadata: NodeMetadata,
}
