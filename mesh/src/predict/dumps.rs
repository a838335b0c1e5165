//! Prediction from the configurations that two running sidecars dumped.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use envoy_api::{
    Address, Cluster, ClusterLoadAssignment, Endpoint, LbEndpoint, Listener, LocalityLbEndpoints, Metadata,
    NetworkFilter, TRANSPORT_SOCKET_MATCH,
};
use serde_json::json;

use crate::{
    account::{Account, Callee, Caller},
    dump::EnvoyDump,
    model::{Capture, Family, Flavor},
};

use super::{
    app::AppTls,
    call::{Call, CallError},
    certificate::{Authority, Check},
    conclude::conclude,
    sidecar::Sidecar,
    simulate::Simulation,
    trace::Trace,
    ways::Picks,
    world::{Host, World},
};

const CLIENT: usize = 0;
const SERVER: usize = 1;

/// Predicts a call between two pods whose sidecars' configurations were dumped. [`Call::from`] does not matter: the client's
/// pod calls. Redirects are assumed to be those of an injected pod without annotations, since dumps do not contain them.
///
/// # Errors
/// If the client's sidecar does not know the host, or the call reaches something that could not be read.
pub fn predict_dumps(client: &EnvoyDump, server: &EnvoyDump, call: &Call) -> Result<Account, CallError> {
    let address = address(client, call)?;
    let called = SocketAddr::new(address, call.port);
    if let Some(unread) = client.unread_listeners.iter().find(|unread| unread.accepts(called)) {
        let resource = format!("listener {}", unread.name);
        return Err(CallError::Unread { resource, reason: unread.reason.clone() });
    }
    let endpoints_of_client = endpoints(client, server, call);
    let reached = cluster_of(client, call).and_then(|cluster| reached(&endpoints_of_client, cluster, called));
    let world = World::of_hosts(
        vec![host(client, endpoints_of_client)?, host(server, server.endpoints.clone())?],
        reached.map(|reached| (called, reached)),
    );
    let sent = call.layers(Check::of_apps(), None);
    let server_app = |_: Option<usize>, _: u16| (call.server_app.unwrap_or_default(), AppTls::unknown(Authority::Apps));
    let subset = call.subset.as_deref();
    let mut simulation =
        Simulation { world: &world, server_app: &server_app, subset, picks: Picks::default(), trace: Trace::default() };
    let reply = simulation.call(CLIENT, called, &sent)?;
    let mut trace = simulation.trace;
    trace.add_silent_legs(true);

    let cluster = cluster_of(client, call);
    let to = Callee {
        host: cluster.map_or_else(|| call.host.clone(), |cluster| service_of(cluster).to_owned()),
        address,
        port: call.port,
        protocol: None,
        pod: Some(world.hosts[trace.callee.map_or(SERVER, |(host, _)| host)].name.clone()),
        target_port: trace.callee.map(|(_, port)| port),
    };
    let from = Caller { pod: client.pod.clone(), ips: client.ips.clone(), sidecar: true };
    Ok(conclude(Flavor::Istio, from, to, call, &sent, &reply, trace))
}

fn host(dump: &EnvoyDump, endpoints: Vec<ClusterLoadAssignment>) -> Result<Host, CallError> {
    let sidecar = Sidecar::of_dump(dump, endpoints).map_err(|(listener, error)| CallError::Refused {
        pod: dump.pod.clone(),
        listener,
        error: error.into(),
    })?;
    Ok(Host::with(dump.pod.clone(), dump.ips.clone(), Capture::default(), sidecar))
}

/// A dump's endpoints, those of the server's pod first; if it has none, the server's pod is assumed to be the only endpoint of
/// the called cluster.
fn endpoints(dump: &EnvoyDump, server: &EnvoyDump, call: &Call) -> Vec<ClusterLoadAssignment> {
    let mut endpoints = dump.endpoints.clone();
    let is_server = |endpoint: &LbEndpoint| endpoint.endpoint.address.ip().is_some_and(|ip| server.ips.contains(&ip));
    for locality in endpoints.iter_mut().flat_map(|set| &mut set.endpoints) {
        locality.lb_endpoints.sort_by_key(|endpoint| !is_server(endpoint));
    }
    for set in &mut endpoints {
        set.endpoints.sort_by_key(|locality| !locality.lb_endpoints.iter().any(is_server));
    }
    if let (true, Some(cluster), Some(ip)) = (endpoints.is_empty(), cluster_of(dump, call), server.ips.first()) {
        endpoints.push(guessed(cluster, *ip, call.port));
    }
    endpoints
}

/// Where the node sends a service's virtual address: the first endpoint of its cluster, in the same family.
fn reached(endpoints: &[ClusterLoadAssignment], cluster: &Cluster, called: SocketAddr) -> Option<SocketAddr> {
    let set = endpoints.iter().find(|set| set.cluster_name == endpoints_name(cluster))?;
    let addresses = set.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
    let mut addresses = addresses.filter_map(|endpoint| {
        let address = &endpoint.endpoint.address;
        Some(SocketAddr::new(address.ip()?, address.socket_address.port_value))
    });
    addresses.find(|address| Family::of(address.ip()) == Family::of(called.ip()))
}

/// The name of a cluster's endpoints.
fn endpoints_name(cluster: &Cluster) -> &str {
    let service_name = cluster.eds_cluster_config.as_ref().map_or("", |config| &config.service_name);
    if service_name.is_empty() { &cluster.name } else { service_name }
}

fn guessed(cluster: &Cluster, ip: IpAddr, port: u16) -> ClusterLoadAssignment {
    let matcher = json!({"tlsMode": "istio"});
    let matcher = matcher.as_object().cloned().unwrap_or_default();
    let metadata = Metadata { filter_metadata: BTreeMap::from([(TRANSPORT_SOCKET_MATCH.to_owned(), matcher)]) };
    let endpoint = LbEndpoint {
        endpoint: Endpoint { address: Address::tcp(ip.to_string(), port), additional_addresses: vec![] },
        metadata: Some(metadata),
        load_balancing_weight: None,
    };
    ClusterLoadAssignment {
        cluster_name: endpoints_name(cluster).to_owned(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints: vec![endpoint] }],
    }
}

/// The client's cluster for the host and port of a call.
fn cluster_of<'a>(client: &'a EnvoyDump, call: &Call) -> Option<&'a Cluster> {
    client.clusters.iter().find(|cluster| is_outbound_to(&cluster.name, call))
}

/// Whether a cluster is the one for a call: `outbound|PORT||HOST`, the host in full or by its first labels.
fn is_outbound_to(cluster: &str, call: &Call) -> bool {
    let prefix = format!("outbound|{}||{}", call.port, call.host.to_ascii_lowercase());
    cluster.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn service_of(cluster: &Cluster) -> &str {
    cluster.name.rsplit('|').next().unwrap_or(&cluster.name)
}

/// The address that the host resolves to: the one of its listener, else the one that its virtual host names, else an
/// endpoint's, which an HTTP listener on all addresses takes as well.
fn address(client: &EnvoyDump, call: &Call) -> Result<IpAddr, CallError> {
    if let Ok(ip) = call.host.parse() {
        return Ok(ip);
    }
    let unknown = || CallError::UnknownHost { host: call.host.clone(), pod: client.pod.clone() };
    let Some(cluster) = cluster_of(client, call) else {
        let unread = client.unread.iter().find(|(name, _)| is_outbound_to(name, call));
        return Err(unread.map_or_else(unknown, |(name, reason)| CallError::Unread {
            resource: name.clone(),
            reason: reason.clone(),
        }));
    };
    let leads_there = |listener: &&Listener| {
        let chains = listener.filter_chains.iter().chain(listener.default_filter_chain.as_deref());
        chains.flat_map(|chain| &chain.filters).any(|filter| match &filter.typed_config {
            NetworkFilter::TcpProxy(proxy) => proxy.cluster == cluster.name,
            _ => false,
        })
    };
    let by_listener = client.listeners.iter().filter(leads_there).filter_map(|listener| listener.address.ip());
    let hosts = client.routes.iter().flat_map(|routes| &routes.virtual_hosts);
    let of_service = hosts.filter(|host| host.domains.iter().any(|domain| domain == service_of(cluster)));
    let by_domain = of_service.flat_map(|host| &host.domains).filter_map(|domain| domain.parse().ok());
    let sets = client.endpoints.iter().filter(|set| set.cluster_name == cluster.name);
    let endpoints = sets.flat_map(|set| &set.endpoints).flat_map(|locality| &locality.lb_endpoints);
    let by_endpoint = endpoints.filter_map(|endpoint| endpoint.endpoint.address.ip());
    by_listener
        .chain(by_domain)
        .chain(by_endpoint)
        .find(|&ip| !ip.is_unspecified() && call.family.is_none_or(|family| Family::of(ip) == family))
        .ok_or_else(unknown)
}

#[cfg(test)]
mod tests;
