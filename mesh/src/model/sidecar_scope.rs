//! Sidecars (the kind): what the sidecars of some pods know of the mesh, and what they take.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{
    destination_rule::ConnectionPool,
    mesh_config::OutboundTrafficPolicy,
    object::{ObjectName, Source},
    service::ServicePort,
    virtual_service::{Destination, hosts_overlap, is_host_within},
};

#[derive(Clone, Debug)]
pub struct SidecarScope {
    pub name: ObjectName,
    /// Which pods of its namespace, by their labels; all if `None`.
    pub selector: Option<BTreeMap<String, String>>,
    /// What they know; everything if empty.
    pub egress: Vec<Egress>,
    /// What they take, in place of the ports of services; those if empty.
    pub ingress: Vec<Ingress>,
    /// The limits of connections to the app, in place of those of DestinationRules.
    pub inbound_connection_pool: Option<ConnectionPool>,
    /// What becomes of calls to unknown destinations; MeshConfig decides if `None`.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    /// Where calls to unknown destinations go, with `ALLOW_ANY`.
    pub egress_proxy: Option<Destination>,
    /// Its document.
    pub source: Source,
}

/// What sidecars know, on one port or on all others.
#[derive(Clone, Debug)]
pub struct Egress {
    /// The only port that it is for; all without a listener if `None`. It has no endpoints.
    pub port: Option<ServicePort>,
    /// The address that it listens at, in place of those of services.
    pub bind: Option<IpAddr>,
    /// What it knows.
    pub hosts: Vec<ScopedHost>,
    /// Its list of hosts, such as `spec.egress[0].hosts`.
    pub source: Source,
}

/// What sidecars take on a port of their pod.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// The port that callers dial. It has no endpoints.
    pub port: ServicePort,
    /// The address that names it.
    pub bind: Option<IpAddr>,
    /// Where the app is; where the call was going if `None`. An unspecified address is the pod's own.
    pub default_endpoint: Option<SocketAddr>,
    /// The limits of connections to the app, in place of those of the whole Sidecar.
    pub connection_pool: Option<ConnectionPool>,
    /// Such as `spec.ingress[0]`.
    pub source: Source,
}

/// `NAMESPACE/HOST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedHost {
    pub namespace: ScopedNamespace,
    /// A host, perhaps with a wildcard first.
    pub host: String,
    /// Whether it leaves out instead.
    pub excluded: bool,
}

/// The namespace of a [`ScopedHost`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopedNamespace {
    /// `*`
    Any,
    /// `.`: the pod's own.
    Own,
    Named(String),
}

impl SidecarScope {
    /// Such as `Sidecar default/default`.
    pub fn full_name(&self) -> String {
        format!("Sidecar {}/{}", self.name.namespace, self.name.name)
    }

    /// The limits of connections to the app on a container port, if the Sidecar sets them (`InboundConnectionPoolForPort` in
    /// `pilot/pkg/model/sidecar.go`).
    pub fn inbound_limits(&self, port: u16) -> Option<&ConnectionPool> {
        let own = self.ingress.iter().filter(|ingress| ingress.port.port == port);
        own.filter_map(|ingress| ingress.connection_pool.as_ref()).next().or(self.inbound_connection_pool.as_ref())
    }

    /// The listener that decides what is known on a port (`GetEgressListenerForRDS` in `pilot/pkg/model/sidecar.go`).
    pub fn egress_of(&self, port: u16) -> Option<&Egress> {
        self.egress.iter().find(|egress| egress.is_for(port))
    }
}

impl Egress {
    /// Whether it is about a port: its own, or any if it has none.
    pub fn is_for(&self, port: u16) -> bool {
        self.port.as_ref().is_none_or(|own| own.port == port)
    }

    /// Whether pods of namespace `home` know services with this host in this namespace (`selectServices` in
    /// `pilot/pkg/model/sidecar.go`).
    pub fn knows(&self, home: &str, namespace: &str, host: &str) -> bool {
        !self.excludes(home, namespace, host)
            && self.included(home, namespace).any(|one| is_host_within(host, &one.host))
    }

    /// Whether they know an alias of a service that they know: what names its namespace counts before what names all
    /// (`matchingAliasService`).
    pub fn knows_alias(&self, home: &str, namespace: &str, host: &str, alias: &str) -> bool {
        let (any, named): (Vec<_>, Vec<_>) =
            self.included(home, namespace).partition(|one| one.namespace == ScopedNamespace::Any);
        let has = |group: &[&ScopedHost], host: &str| group.iter().any(|one| is_host_within(host, &one.host));
        if has(&named, host) { has(&named, alias) } else { has(&any, alias) }
    }

    /// Whether they know a VirtualService in this namespace by one of its hosts, which may also cover what is named (`VSMatches`).
    pub fn knows_route(&self, home: &str, namespace: &str, host: &str) -> bool {
        !self.excludes(home, namespace, host)
            && self.included(home, namespace).any(|one| hosts_overlap(host, &one.host))
    }

    /// Whether each host is of one namespace and without a wildcard.
    pub fn is_exact(&self) -> bool {
        let mut included = self.hosts.iter().filter(|one| !one.excluded);
        included.all(|one| one.namespace != ScopedNamespace::Any && !one.host.starts_with('*'))
    }

    fn excludes(&self, home: &str, namespace: &str, host: &str) -> bool {
        let mut excluded = self.hosts.iter().filter(|one| one.excluded && one.is_of(home, namespace));
        excluded.any(|one| is_host_within(host, &one.host))
    }

    fn included(&self, home: &str, namespace: &str) -> impl Iterator<Item = &ScopedHost> {
        self.hosts.iter().filter(move |one| !one.excluded && one.is_of(home, namespace))
    }
}

impl ScopedHost {
    fn is_of(&self, home: &str, namespace: &str) -> bool {
        match &self.namespace {
            ScopedNamespace::Any => true,
            ScopedNamespace::Own => home == namespace,
            ScopedNamespace::Named(name) => name == namespace,
        }
    }
}

impl fmt::Display for ScopedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = match &self.namespace {
            ScopedNamespace::Any => "*",
            ScopedNamespace::Own => ".",
            ScopedNamespace::Named(name) => name,
        };
        write!(f, "{}{namespace}/{}", if self.excluded { "~" } else { "" }, self.host)
    }
}

#[cfg(test)]
mod tests;
