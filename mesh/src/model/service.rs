//! Services, and what their ports speak.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    family::Family,
    object::{ObjectName, Source},
    pod::PodIps,
    service_entry::{Entry, EntryEndpoint},
};

/// The addresses of the cluster's DNS server, which no other service has: 10.96.0.2 and fd00:96::2.
pub const CLUSTER_DNS: PodIps =
    PodIps { v4: Ipv4Addr::new(10, 96, 0, 2), v6: Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, 2) };

#[derive(Clone, Debug)]
pub struct Service {
    /// Its name; for a ServiceEntry's host, the host.
    pub name: ObjectName,
    /// `NAME.NAMESPACE.svc.cluster.local`, or a ServiceEntry's host.
    pub host: String,
    /// The Services of type ExternalName that are aliases of it: Istio treats calls to them as calls to it (`resolveServiceAliases` in
    /// `pilot/pkg/model/push_context.go`).
    pub aliases: Vec<ObjectName>,
    /// Its virtual addresses; empty if headless, or if a ServiceEntry has none.
    pub vips: Vec<IpAddr>,
    /// Its other addresses that nodes translate: `externalIPs`, and those of its load balancer.
    pub external_ips: Vec<IpAddr>,
    /// The families of its addresses, or of its pods' if it has none.
    pub families: Vec<Family>,
    pub ports: Vec<ServicePort>,
    /// The selector of its pods and WorkloadEntries; `None` if it has none.
    pub selector: Option<BTreeMap<String, String>>,
    /// Its age; smaller is older.
    pub age: Age,
    /// The namespaces that it is exported to: `.`, `*`, `~` (none) or names; empty means all. A ServiceEntry's `exportTo`, or a
    /// Service's annotation `networking.istio.io/exportTo`.
    pub export_to: BTreeSet<String>,
    /// The properties that only a ServiceEntry defines, if it comes from one.
    pub entry: Option<Entry>,
    /// The WorkloadEntries that a Service's selector selects. Only sidecars know them.
    pub workloads: Vec<EntryEndpoint>,
    pub source: Source,
}

impl Service {
    /// Whether it is a Kubernetes service without a virtual address.
    pub fn is_headless(&self) -> bool {
        self.entry.is_none() && self.vips.is_empty()
    }

    /// Whether nodes translate this address to its endpoints.
    pub fn has_address(&self, ip: IpAddr) -> bool {
        self.vips.contains(&ip) || self.external_ips.contains(&ip)
    }

    /// Whether it is exported to every namespace.
    pub fn is_public(&self) -> bool {
        self.export_to.is_empty() || self.export_to.contains("*")
    }

    /// Whether sidecars of a namespace know it (`initServiceRegistry` in `pilot/pkg/model/push_context.go`).
    pub fn is_seen_from(&self, namespace: &str) -> bool {
        let names = &self.export_to;
        let at_home = namespace == self.name.namespace && names.contains(".");
        self.is_public() || !names.contains("~") && (names.contains(namespace) || at_home)
    }

    /// The endpoints that its ServiceEntry lists; empty for a Kubernetes service.
    pub fn entry_endpoints(&self) -> impl Iterator<Item = (&ServicePort, &EntryEndpoint)> {
        let endpoints = self.entry.iter().flat_map(|entry| &entry.endpoints);
        endpoints.filter_map(|endpoint| Some((self.port(endpoint.for_port)?, endpoint)))
    }

    /// Its port of that number.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.port == number)
    }
}

/// Order of creation: `creationTimestamp` where given, else the order of documents. Objects of one second go by their names
/// (`configCompareByCreationTime` in `pilot/pkg/model/config.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    /// Seconds since 1970, if given. Objects without one are younger than all with one.
    pub created: Option<i64>,
    /// The order of documents over all files.
    pub order: usize,
    /// The object's name.
    pub of: ObjectName,
}

impl Age {
    /// The creation time without the tie-breakers.
    pub fn moment(&self) -> impl Ord + use<> {
        (self.created.is_none(), self.created, self.created.is_none().then_some(self.order))
    }
}

impl Ord for Age {
    /// Older is less.
    fn cmp(&self, other: &Self) -> Ordering {
        let names = |age: &Self| (age.of.name.clone(), age.of.namespace.clone(), age.order);
        self.moment().cmp(&other.moment()).then_with(|| names(self).cmp(&names(other)))
    }
}

impl PartialOrd for Age {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Debug)]
pub struct ServicePort {
    /// Its name; empty when unnamed.
    pub name: String,
    /// The port that callers dial.
    pub port: u16,
    /// The protocol that Istio assumes.
    pub protocol: Protocol,
    /// The field of the port that decided the protocol.
    pub protocol_field: ProtocolField,
    /// That field's place in the manifests.
    pub protocol_source: Source,
    /// The pods behind it, in order of name, each with the container port that `targetPort` resolves to.
    pub endpoints: Vec<Endpoint>,
}

/// The field of a port that decides its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolField {
    /// `appProtocol` of a Service's port.
    AppProtocol,
    /// `name` of a Service's port, which may be missing.
    Name,
    /// `port`: a number whose protocol is known, such as 3306.
    Port,
    /// `protocol`: UDP of a Service's port, or any of a ServiceEntry's.
    Protocol,
}

impl ProtocolField {
    /// The field as manifests spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AppProtocol => "appProtocol",
            Self::Name => "name",
            Self::Port => "port",
            Self::Protocol => "protocol",
        }
    }
}

/// A pod behind a service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Index into [`pods`](crate::model::Resolved::pods).
    pub pod: usize,
    /// The container port.
    pub port: u16,
}

/// A port's protocol as Istio names it (`pkg/config/protocol/instance.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
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
    /// Whether the sidecar handles it as HTTP.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::Http | Self::Http2 | Self::HttpProxy)
    }

    /// Whether it is HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Grpc | Self::GrpcWeb | Self::Http2)
    }

    /// Whether the sidecar detects it for each connection.
    pub fn is_auto(self) -> bool {
        self == Self::Auto
    }

    /// Whether it is the app's own TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}
