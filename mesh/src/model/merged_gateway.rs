//! Which servers of several Gateways share a port (`mergeGateways` in `pilot/pkg/model/gateway.go`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    gateway::{Gateway, Server, ServerHost},
    resolved::Resolved,
    service::Protocol,
};

/// What a gateway opens.
#[derive(Clone, Debug, Default)]
pub struct Merged<'a> {
    /// In the order in which their first servers come.
    pub ports: Vec<MergedPort<'a>>,
    /// Servers that are left out.
    pub skipped: Vec<Skipped<'a>>,
}

impl<'a> Merged<'a> {
    /// The servers that share routes of HTTP.
    pub fn of_routes(&self, name: &str) -> Vec<&MergedServer<'a>> {
        self.ports.iter().flat_map(|port| &port.servers).filter(|server| server.routes == name).collect()
    }
}

/// Servers with the same port, protocol and address.
#[derive(Clone, Debug)]
pub struct MergedPort<'a> {
    /// The port that the gateway's pod listens on.
    pub port: u16,
    /// The first server's.
    pub protocol: Protocol,
    pub bind: Option<IpAddr>,
    pub servers: Vec<MergedServer<'a>>,
}

/// A server, and the Gateway that it is of.
#[derive(Clone, Debug)]
pub struct MergedServer<'a> {
    pub gateway: &'a Gateway,
    pub server: &'a Server,
    /// The name of its routes of HTTP; empty if it reads none.
    pub routes: String,
}

/// A server that is left out, and why.
#[derive(Clone, Debug)]
pub struct Skipped<'a> {
    pub gateway: &'a Gateway,
    pub server: &'a Server,
    /// The end of a sentence about it.
    pub because: String,
}

/// What servers that share a port have in common.
type Place = (u16, Protocol, Option<IpAddr>);

#[derive(Default)]
struct Merging<'a> {
    merged: Merged<'a>,
    /// Ports on which some server is.
    taken: BTreeSet<u16>,
    /// The first plaintext server of each port.
    plain: BTreeMap<u16, Place>,
    /// Names of routes of HTTP.
    routes: BTreeSet<String>,
    /// The hosts of servers with TLS settings, by port and address, each with its Gateway.
    hosts: BTreeMap<(u16, Option<IpAddr>, ServerHost), String>,
}

/// Merges Gateways, the oldest first. `targets` are the ports of services that select the gateway's pod, each with the port of the
/// pod that it leads to, the oldest service's first.
pub fn merge<'a>(gateways: &[&'a Gateway], targets: &[(u16, u16)]) -> Merged<'a> {
    let mut merging = Merging::default();
    for gateway in gateways {
        for server in &gateway.servers {
            // Of several services the first counts (`resolvePorts`).
            let target = targets.iter().find(|(port, _)| *port == server.port).map(|(_, target)| *target);
            if let Err(because) = merging.add(gateway, server, target.unwrap_or(server.port)) {
                merging.merged.skipped.push(Skipped { gateway, server, because });
            }
        }
    }
    merging.merged
}

impl<'a> Merging<'a> {
    /// # Errors
    /// Why the server is left out.
    fn add(&mut self, gateway: &'a Gateway, server: &'a Server, port: u16) -> Result<(), String> {
        let place: Place = (port, server.protocol, server.bind);
        let routes = routes_name(gateway, server, port);
        if server.tls.is_some() {
            self.add_hosts(gateway, server, port)?;
        }
        let entry = MergedServer { gateway, server, routes: routes.clone() };
        if self.taken.insert(port) {
            self.first(place, entry);
            return Ok(());
        }
        if let Some(&current) = self.plain.get(&port) {
            let same_bind = current.2 == server.bind;
            let (ours, theirs) = (server.protocol, current.1);
            if same_bind && (routes.is_empty() || !theirs.is_http() || !ours.is_http()) {
                return Err(format!("port {port} has a server of {theirs} already, and {ours} can't share it"));
            }
            if same_bind {
                self.push(current, entry);
            } else {
                self.first(place, entry);
            }
            return Ok(());
        }
        if !server.is_tls() {
            self.first(place, entry);
            return Ok(());
        }
        if server.reads_http() && !self.routes.insert(routes) {
            return Err(format!("port {port} has a server of HTTPS whose port has the same name"));
        }
        self.push(place, entry);
        Ok(())
    }

    /// Envoy refuses two chains of the same SNI: a host of a port with TLS is for one server.
    fn add_hosts(&mut self, gateway: &Gateway, server: &Server, port: u16) -> Result<(), String> {
        for host in &server.hosts {
            if let Some(by) = self.hosts.get(&(port, server.bind, host.clone())) {
                return Err(format!("{by} has the host {host} on port {port} already"));
            }
        }
        for host in &server.hosts {
            self.hosts.insert((port, server.bind, host.clone()), gateway.full_name());
        }
        Ok(())
    }

    /// The first server of a place (`addPlainTextServer`).
    fn first(&mut self, place: Place, entry: MergedServer<'a>) {
        if !entry.server.is_tls() {
            self.plain.insert(place.0, place);
        }
        if entry.server.reads_http() {
            self.routes.insert(entry.routes.clone());
        }
        self.push(place, entry);
    }

    fn push(&mut self, place: Place, entry: MergedServer<'a>) {
        let (port, protocol, bind) = place;
        let ports = &mut self.merged.ports;
        match ports.iter_mut().find(|one| (one.port, one.protocol, one.bind) == place) {
            Some(existing) => existing.servers.push(entry),
            None => ports.push(MergedPort { port, protocol, bind, servers: vec![entry] }),
        }
    }
}

/// `gatewayRDSRouteName`.
fn routes_name(gateway: &Gateway, server: &Server, port: u16) -> String {
    let bind = server.bind.map(|bind| format!(".{bind}")).unwrap_or_default();
    if server.protocol.is_http() {
        return format!("http.{port}{bind}");
    }
    if server.reads_http() {
        let (name, namespace) = (&gateway.name.name, &gateway.name.namespace);
        return format!("https.{}.{}.{name}.{namespace}{bind}", server.port, server.port_name);
    }
    String::new()
}

impl Resolved {
    /// What the Gateways that select a pod open there, the oldest first.
    pub fn merged_gateway(&self, pod: usize) -> Merged<'_> {
        let selecting: Vec<&Gateway> =
            self.gateways.iter().filter(|gateway| gateway.selects(&self.pods[pod])).collect();
        let targets: Vec<(u16, u16)> =
            self.ports_of(pod).into_iter().map(|(_, port, target)| (port.port, target)).collect();
        merge(&selecting, &targets)
    }
}
