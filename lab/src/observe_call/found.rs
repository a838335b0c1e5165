//! Finds the connections and log lines of a call.

use std::net::SocketAddr;

use mesh::{
    model::{Mesh, Pod},
    sidecar::{self, INBOUND_PORT},
};
use netns::Tracked;
use observe::{Flow, Opening};

use super::made::{MadeCall, Observations};
use crate::access_log::Line;

/// The connections and log lines of one call.
pub(super) struct Found<'a> {
    pub(super) leg1: Option<&'a Flow>,
    /// As seen on the calling pod's `eth0`.
    pub(super) leg2: Option<&'a Flow>,
    /// As seen on the gateway's `eth0`.
    pub(super) leg4: Option<&'a Flow>,
    /// The gateway that leg 2 reached.
    pub(super) gateway: Option<usize>,
    pub(super) leg3: Option<&'a Flow>,
    /// The pod that the last leg between pods reached.
    pub(super) server: Option<usize>,
    /// Whether that leg reached that pod's sidecar: its redirects can exempt a port.
    pub(super) to_sidecar: bool,
    /// Why that could not be observed, if so.
    pub(super) derived: Option<&'static str>,
    pub(super) client_log: Option<&'a Line>,
    pub(super) server_log: Option<&'a Line>,
    pub(super) gateway_log: Option<&'a Line>,
}

impl<'a> Found<'a> {
    /// The last leg between pods.
    pub(super) fn last(&self) -> Option<&'a Flow> {
        if self.gateway.is_some() { self.leg4 } else { self.leg2 }
    }
}

/// Finds a call's connections and log lines.
///
/// A connection that carries the call's mark belongs to the call, even if an earlier call opened it. A call that was
/// refused before its mark was sent is found by the sidecar's line, else by time: calls of a lab are made one by one.
pub(super) fn find<'a>(mesh: &Mesh, call: &MadeCall, seen: &'a Observations) -> Found<'a> {
    let client = &mesh.pods[call.from];
    let client_name = client.name.to_string();
    let at = |pod: &str, interface: &str| {
        let pod = pod.to_owned();
        let interface = interface.to_owned();
        seen.flows.iter().filter(move |flow| flow.interface.host == pod && flow.interface.name == interface)
    };
    let in_time = |flow: &Flow| (call.began_ns..=call.ended_ns).contains(&flow.first_ns);
    let local = call.report.local;
    let from_app = |flow: &&Flow| Some(flow.initiator) == local && in_time(flow);

    let leg1 =
        at(&client_name, "lo").find(|flow| from_app(flow) && flow.redirect.is_some() && !is_captured_inbound(flow));
    let dialled = call.report.remote;
    // A pod of the same name that is made later can have a sidecar.
    let client_log = client.sidecar.as_ref().and_then(|_| log_line(seen, &client_name, call, local, dialled));
    let from_pod = |flow: &&Flow| client.ips.contains(flow.initiator.ip());
    let leg2 = match leg1 {
        // A pod that calls its own address stays on `lo`, and bypasses its sidecar.
        None => {
            let own = at(&client_name, "eth0").chain(at(&client_name, "lo")).find(from_app);
            // A client whose connection is refused does not know its own end of it.
            let refused = |flow: &&Flow| flow.opening == Opening::Refused && from_pod(flow) && in_time(flow);
            own.or_else(|| at(&client_name, "eth0").filter(|_| local.is_none()).find(refused))
        }
        Some(_) => {
            // A pod that calls its own service reaches its sidecar again over `lo`.
            let to_itself = at(&client_name, "lo").filter(|flow| is_captured_inbound(flow));
            let outside = at(&client_name, "eth0").filter(from_pod);
            pick(outside.chain(to_itself), call, leg1, client_log, in_time)
        }
    };
    let is_same =
        |begun: &Flow, arrived: &Flow| same_connection(begun, arrived, mesh.pod_at(begun.responder.ip()).is_none());
    let pod_reached = |leg: &Flow, from: usize| {
        if leg.interface.name == "lo" {
            return Some(from);
        }
        (0..mesh.pods.len())
            .find(|&pod| pod != from && at(&mesh.pods[pod].name.to_string(), "eth0").any(|flow| is_same(leg, flow)))
    };
    // As the pod sees a leg that arrives, the destination is no longer a service's address.
    let arrived_at = |pod: usize, leg: &Flow| {
        at(&mesh.pods[pod].name.to_string(), &leg.interface.name).find(|flow| is_same(leg, flow))
    };
    let first = leg2.and_then(|leg2| pod_reached(leg2, call.from));
    let gateway = first.filter(|pod| mesh.pods[*pod].is_gateway());
    let gateway_log = gateway.zip(leg2).and_then(|(pod, leg2)| {
        let arrived = arrived_at(pod, leg2);
        let (initiator, dialled) = (arrived.map(|flow| flow.initiator), arrived.map(Flow::dialled));
        log_line(seen, &mesh.pods[pod].name.to_string(), call, initiator, dialled)
    });
    let leg4 = gateway.and_then(|pod| {
        let Pod { name, ips, .. } = &mesh.pods[pod];
        let outgoing = at(&name.to_string(), "eth0").filter(|flow| ips.contains(flow.initiator.ip()));
        pick(outgoing, call, leg2, gateway_log, in_time)
    });
    let last = if gateway.is_some() { leg4 } else { leg2 };
    let server = match gateway {
        Some(pod) => leg4.map_or(Some(pod), |leg4| pod_reached(leg4, pod)),
        None => first,
    };
    let server_pod = server.filter(|&pod| mesh.pods[pod].sidecar.is_some() && !mesh.pods[pod].is_gateway());
    let arrived = server_pod.zip(last).and_then(|(pod, last)| arrived_at(pod, last));
    let server_name = server_pod.map(|pod| mesh.pods[pod].name.to_string());
    let (initiator, dialled) = (arrived.map(|flow| flow.initiator), arrived.map(Flow::dialled));
    let server_log = server_name.as_deref().and_then(|name| {
        let by_ends = log_line(seen, name, call, initiator, dialled);
        by_ends.or_else(|| gateway.and_then(|_| line_behind_gateway(seen, name, call, dialled)))
    });
    let reached = server_name.as_deref().zip(arrived).and_then(|(name, flow)| reached(seen, name, flow));
    let to_sidecar = reached.map_or(server_log.is_some(), |reached| is_sidecars_port(reached.port()));
    let derived = (server_pod.is_some() && arrived.is_some() && reached.is_none()).then_some(match to_sidecar {
        true => "derived from the sidecar's log: the kernel did not report where the connection was sent",
        false => {
            "not observed: neither the kernel nor the sidecar's log has the connection; it is assumed to go to the app"
        }
    });
    let server_name = server_name.filter(|_| to_sidecar);
    let server_log = server_log.filter(|_| to_sidecar);
    let leg3 = server_name.as_deref().and_then(|name| {
        let to_app = at(name, "lo").filter(|flow| flow.redirect.is_none() && !is_own_port(flow.responder.port()));
        let is_its_port =
            |flow: &Flow| call.loads.is_empty() || dialled.is_some_and(|at| at.port() == flow.dialled().port());
        pick(to_app, call, last, server_log, |flow| in_time(flow) && is_its_port(flow))
    });
    Found { leg1, leg2, leg4, gateway, leg3, server, to_sidecar, derived, client_log, server_log, gateway_log }
}

/// Whether iptables handed a connection on `lo` to the sidecar's inbound port.
fn is_captured_inbound(flow: &Flow) -> bool {
    flow.redirect.is_some_and(|redirect| redirect.redirected_to.port() == INBOUND_PORT)
}

/// Where a connection that arrived at a pod was sent: on `lo` both ends of a redirect are captured; on `eth0` only the kernel
/// knows, which reports what it tracks.
fn reached(seen: &Observations, pod: &str, arrived: &Flow) -> Option<SocketAddr> {
    if let Some(redirect) = arrived.redirect {
        return Some(redirect.redirected_to);
    }
    if arrived.interface.name == "lo" {
        return Some(arrived.responder);
    }
    let tracked = &seen.tracked.get(pod)?.connections;
    let same = |one: &&Tracked| one.source == arrived.initiator && one.dialled == arrived.responder;
    tracked.iter().rev().find(same).map(|tracked| tracked.reached)
}

/// Whether a sidecar listens at a port of a pod that has one.
fn is_sidecars_port(port: u16) -> bool {
    port == INBOUND_PORT || is_own_port(port)
}

/// The sidecar's own ports: connections to them are not legs of a call.
fn is_own_port(port: u16) -> bool {
    [sidecar::ADMIN_PORT, sidecar::STATUS_PORT, sidecar::HEALTH_PORT, sidecar::PROMETHEUS_PORT].contains(&port)
}

/// The call's connection among a sidecar's upstream connections. `before` is the leg that led to the sidecar.
fn pick<'a>(
    flows: impl Iterator<Item = &'a Flow>,
    call: &MadeCall,
    before: Option<&Flow>,
    log: Option<&Line>,
    in_time: impl Fn(&Flow) -> bool,
) -> Option<&'a Flow> {
    // A connection that began after the call belongs to another one, which can reuse the port.
    let flows: Vec<&Flow> =
        flows.filter(|flow| flow.first_ns <= call.ended_ns && flow.last_ns >= call.began_ns).collect();
    let logged = |flow: &&&Flow| {
        log.is_some_and(|line| {
            line.upstream_local_address == Some(flow.initiator) && line.upstream_host == Some(flow.dialled())
        })
    };
    // Beside loads, one that carries nothing of theirs and goes where the log says; the oldest, since loads go on opening others.
    let beside_loads = || {
        let is_of_load = |flow: &Flow| call.loads.iter().any(|mark| flow.contains(mark));
        let host = log.and_then(|line| line.upstream_host);
        let is_to_host = |flow: &Flow| host.is_none_or(|host| host == flow.dialled());
        flows.iter().find(|flow| in_time(flow) && is_to_host(flow) && !is_of_load(flow))
    };
    // Several attempts carry the mark, or the handshake: the log names the connection of the last one.
    let relays = |flow: &Flow| before.is_some_and(|before| before.content.tls().any(|tls| flow.content.carries(tls)));
    let marked = || flows.iter().rev().filter(|flow| flow.contains(&call.marker) || relays(flow));
    marked()
        .find(logged)
        .or_else(|| marked().next())
        .or_else(|| flows.iter().rev().find(logged))
        .or_else(|| match call.loads.is_empty() {
            true => flows.iter().rev().find(|flow| in_time(flow)),
            false => beside_loads(),
        })
        .copied()
}

/// Whether two interfaces saw the same connection, the second perhaps after its destination was `translated`, as a service's address
/// is. The node then changes the initiator's port, too, if an earlier connection has it: the initial sequence number stays.
fn same_connection(begun: &Flow, arrived: &Flow, translated: bool) -> bool {
    let same_ends = match (begun.initial_sequence, arrived.initial_sequence) {
        (Some(begun), Some(arrived)) => begun == arrived,
        _ => begun.initiator == arrived.initiator && (translated || begun.responder == arrived.responder),
    };
    same_ends
        && begun.initiator.ip() == arrived.initiator.ip()
        && begun.first_ns <= arrived.last_ns
        && arrived.first_ns <= begun.last_ns
}

/// The line of a sidecar behind a gateway, by time: what it takes for the peer is the gateway's caller, from `x-forwarded-for`.
fn line_behind_gateway<'a>(
    seen: &'a Observations,
    pod: &str,
    call: &MadeCall,
    dialled: Option<SocketAddr>,
) -> Option<&'a Line> {
    let newest_first = seen.logs.get(pod).into_iter().flat_map(|lines| lines.iter().rev());
    let mut to_there = newest_first.filter(|line| line.downstream_local_address == dialled);
    to_there.find(|line| line.start_time.is_some_and(|time| call.includes(time)))
}

/// A sidecar's log line for a call: by the mark in its path, else by the connection's two ends, else by time. The client's end of a
/// request with `x-forwarded-for` is the address in it, without a port.
fn log_line<'a>(
    seen: &'a Observations,
    pod: &str,
    call: &MadeCall,
    peer: Option<SocketAddr>,
    dialled: Option<SocketAddr>,
) -> Option<&'a Line> {
    let newest_first = || seen.logs.get(pod).into_iter().flat_map(|lines| lines.iter().rev());
    let marked = newest_first().find(|line| line.path.as_deref().is_some_and(|path| path.contains(&call.marker)));
    marked.or_else(|| {
        let (peer, dialled) = (peer?, dialled?);
        let of_host = |address: Option<SocketAddr>| address.is_some_and(|address| address.ip() == peer.ip());
        let to_there = || newest_first().filter(|line| line.downstream_local_address == Some(dialled));
        // A connection between sidecars carries several calls: of its lines the one of this call's time counts.
        let of_peer = || to_there().filter(|line| line.downstream_remote_address == Some(peer));
        let in_time = |line: &Line| line.start_time.is_some_and(|time| call.includes(time));
        let is_forwarded = |line: &Line| line.downstream_remote_address.is_some_and(|address| address.port() == 0);
        let forwarded = || to_there().find(|line| is_forwarded(line) && in_time(line));
        of_peer().find(|line| in_time(line)).or_else(forwarded).or_else(|| of_peer().next()).or_else(|| {
            // If a redirected connection reuses the port of an earlier one, conntrack changes it, and the sidecar sees the new port.
            to_there().find(|line| of_host(line.downstream_remote_address) && in_time(line))
        })
    })
}

#[cfg(test)]
mod tests;
