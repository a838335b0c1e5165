//! From what was captured and logged to an account of one call.
//!
//! What a leg carried is read from packets. The participants' logs are used for two things only: for what no packet says
//! (Envoy's flags and details), and to tell which of several connections belongs to a call that left no mark on the wire.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use demo_apps::{failure::FailureKind, report::ClientReport};
use jiff::Timestamp;
use mesh::{
    account::{Account, Admission, Callee, Caller, LayerKind, Leg, Outcome, Party, SCHEMA, TlsFacts},
    model::Mesh,
    predict::redirects,
    redirect::INBOUND_PORT,
};
use observe::{Cost, Flow, Layer, Tls};
use serde::Serialize;

use crate::{access_log::Line, scenario::Probe};

mod refusal;

/// What a lab left behind when all its calls had been made.
#[derive(Debug, Default)]
pub struct Observations {
    /// Every TCP connection, once for each interface that saw it.
    pub flows: Vec<Flow>,
    /// The sidecars' access logs, by pod (`POD.NAMESPACE`).
    pub logs: BTreeMap<String, Vec<Line>>,
    /// Packets that the capture lost; what was read may then be incomplete.
    pub dropped: u64,
}

/// A call that was made.
#[derive(Debug)]
pub struct MadeCall {
    /// Index of the calling pod in [`Mesh::pods`].
    pub from: usize,
    /// What the client says of it.
    pub report: ClientReport,
    /// What came of it, where it was the call of a webhook.
    pub admission: Option<Admission>,
    /// What the API server says of it then, if it says anything.
    pub told: Option<String>,
    /// The mark that the client put into what it sent.
    pub marker: String,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When the client had ended, in nanoseconds since 1970.
    pub ended_ns: u64,
}

impl MadeCall {
    /// Whether a moment, told in milliseconds, is in the call's time.
    fn includes(&self, time: Timestamp) -> bool {
        const MILLISECOND: i128 = 1_000_000;
        let time = time.as_nanosecond();
        (i128::from(self.began_ns) - MILLISECOND..=i128::from(self.ended_ns)).contains(&time)
    }
}

/// What an account was read from.
#[derive(Debug, Serialize)]
pub struct Evidence {
    /// The client's own report.
    pub client: ClientReport,
    /// The line of the client's sidecar.
    pub client_sidecar_log: Option<String>,
    /// The line of the server's sidecar.
    pub server_sidecar_log: Option<String>,
    /// The connection of each leg, opened.
    pub flows: BTreeMap<u8, Flow>,
    /// What each leg's bytes were spent on, layer by layer.
    pub costs: BTreeMap<u8, Cost>,
    /// What could not be read, in words.
    pub notes: Vec<String>,
}

/// The connections and log lines of one call.
struct Found<'a> {
    leg1: Option<&'a Flow>,
    /// As the calling pod's `eth0` saw it.
    leg2: Option<&'a Flow>,
    leg3: Option<&'a Flow>,
    /// The pod that leg 2 reached.
    server: Option<usize>,
    /// Whether leg 2 came to that pod's sidecar: its redirects may let a port pass.
    to_sidecar: bool,
    client_log: Option<&'a Line>,
    server_log: Option<&'a Line>,
}

/// The account of a call, and what it was read from.
pub fn account(mesh: &Mesh, probe: &Probe, call: &MadeCall, seen: &Observations) -> (Account, Evidence) {
    let found = find(mesh, call, seen);
    let client = &mesh.pods[call.from];
    let server = found.server.map(|pod| &mesh.pods[pod]);
    let dialled = call.report.remote.unwrap_or(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), probe.port));
    let service = mesh.services.iter().find(|service| service.vips.contains(&dialled.ip()));
    let account = Account {
        schema: SCHEMA.into(),
        mesh: mesh.flavor,
        from: Caller { pod: client.name.to_string(), ips: client.ips.both().into(), sidecar: client.sidecar.is_some() },
        to: Callee {
            host: service.map_or_else(|| probe.host.clone(), |service| service.host.clone()),
            address: dialled.ip(),
            port: dialled.port(),
            protocol: service
                .and_then(|service| service.ports.iter().find(|port| port.port == dialled.port()))
                .map(|port| port.protocol),
            pod: server.map(|pod| pod.name.to_string()),
            target_port: found.leg3.or(found.leg2).map(|flow| flow.dialled().port()),
        },
        app_sends: probe.app,
        legs: legs(mesh, call, &found),
        read_by: read_by(&found),
        steps: Vec::new(),
        outcome: outcome(mesh, call, &found),
    };
    let mut notes: Vec<String> = Vec::new();
    notes.extend(call.told.iter().map(|told| format!("the API server says: {told}")));
    if seen.dropped > 0 {
        notes.push(format!("the capture lost {} packets", seen.dropped));
    }
    let flows: BTreeMap<u8, Flow> = [(1, found.leg1), (2, found.leg2), (3, found.leg3)]
        .into_iter()
        .filter_map(|(number, flow)| Some((number, flow?.clone())))
        .collect();
    for (number, flow) in &flows {
        notes.extend(flow.content.tls().flat_map(|tls| &tls.unopened).map(|why| format!("leg {number}: {why}")));
    }
    let evidence = Evidence {
        client: call.report.clone(),
        client_sidecar_log: found.client_log.map(|line| line.raw.clone()),
        server_sidecar_log: found.server_log.map(|line| line.raw.clone()),
        costs: flows.iter().map(|(number, flow)| (*number, flow.cost())).collect(),
        flows,
        notes,
    };
    (account, evidence)
}

/// Finds a call's connections and log lines.
///
/// A connection that carries the call's mark is the call's, also one that an earlier call opened. A call that was
/// refused before its mark was sent is told by the sidecar's line, else by time: calls of a lab are made one by one.
fn find<'a>(mesh: &Mesh, call: &MadeCall, seen: &'a Observations) -> Found<'a> {
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
    let client_log = log_line(seen, &client_name, call, local, dialled);
    let from_pod = |flow: &&Flow| client.ips.contains(flow.initiator.ip());
    let leg2 = match leg1 {
        None => at(&client_name, "eth0").find(from_app),
        Some(_) => {
            // A pod that calls itself by its own service reaches its sidecar again over `lo`.
            let to_itself = at(&client_name, "lo").filter(|flow| is_captured_inbound(flow));
            let outside = at(&client_name, "eth0").filter(from_pod);
            pick(outside.chain(to_itself), call, client_log, in_time)
        }
    };
    let server = leg2.and_then(|leg2| {
        if leg2.interface.name == "lo" {
            return Some(call.from);
        }
        mesh.pods.iter().position(|pod| {
            pod.name != client.name && at(&pod.name.to_string(), "eth0").any(|flow| same_connection(mesh, leg2, flow))
        })
    });
    let server_pod = server.map(|pod| &mesh.pods[pod]).filter(|pod| pod.sidecar.is_some());
    // As the server's pod sees leg 2: where it goes to is no longer a service's address.
    let arrived = server_pod.and_then(|pod| {
        let interface = leg2.map_or("eth0", |leg2| leg2.interface.name.as_str());
        at(&pod.name.to_string(), interface).find(|flow| leg2.is_some_and(|leg2| same_connection(mesh, leg2, flow)))
    });
    let to_sidecar = server_pod.zip(arrived).is_some_and(|(pod, flow)| {
        let port = flow.responder.port();
        flow.redirect.is_some() || redirects(pod, port) || is_own_port(port)
    });
    let server_name = server_pod.map(|pod| pod.name.to_string()).filter(|_| to_sidecar);
    let server_log = server_name
        .as_deref()
        .and_then(|name| log_line(seen, name, call, arrived.map(|flow| flow.initiator), arrived.map(Flow::dialled)));
    let leg3 = server_name.as_deref().and_then(|name| {
        let to_app = at(name, "lo").filter(|flow| flow.redirect.is_none() && !is_own_port(flow.responder.port()));
        pick(to_app, call, server_log, in_time)
    });
    Found { leg1, leg2, leg3, server, to_sidecar, client_log, server_log }
}

/// Whether iptables handed a connection on `lo` to the sidecar's inbound port.
fn is_captured_inbound(flow: &Flow) -> bool {
    flow.redirect.is_some_and(|redirect| redirect.redirected_to.port() == INBOUND_PORT)
}

/// The sidecar's own ports: connections to them are no leg of a call.
fn is_own_port(port: u16) -> bool {
    matches!(port, 15000 | 15020 | 15021 | 15090)
}

/// Of a sidecar's upstream connections, the call's.
fn pick<'a>(
    flows: impl Iterator<Item = &'a Flow>,
    call: &MadeCall,
    log: Option<&Line>,
    in_time: impl Fn(&Flow) -> bool,
) -> Option<&'a Flow> {
    // One that began after the call is another call's, which may use the same port again.
    let flows: Vec<&Flow> =
        flows.filter(|flow| flow.first_ns <= call.ended_ns && flow.last_ns >= call.began_ns).collect();
    let logged = |flow: &&&Flow| {
        log.is_some_and(|line| {
            line.upstream_local_address == Some(flow.initiator) && line.upstream_host == Some(flow.dialled())
        })
    };
    let marked = flows.iter().rev().find(|flow| flow.contains(&call.marker));
    marked
        .or_else(|| flows.iter().rev().find(logged))
        .or_else(|| flows.iter().rev().find(|flow| in_time(flow)))
        .copied()
}

/// Whether a pod's interface saw a connection that another one saw begin. Of the addresses only the initiator's is sure to
/// be the same: the node translates a service's. A port may be in use towards several destinations, and used again later.
fn same_connection(mesh: &Mesh, begun: &Flow, arrived: &Flow) -> bool {
    let translated = mesh.pod_at(begun.responder.ip()).is_none();
    begun.initiator == arrived.initiator
        && (translated || begun.responder == arrived.responder)
        && begun.first_ns <= arrived.last_ns
        && arrived.first_ns <= begun.last_ns
}

/// The line that a sidecar wrote of a call: by the mark in its path, else by the connection's two ends, else by the time.
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
        to_there().find(|line| line.downstream_remote_address == Some(peer)).or_else(|| {
            // Where a redirected connection has the port of an earlier one, conntrack gives it another: the sidecar sees that.
            let in_time = |line: &Line| line.start_time.is_some_and(|time| call.includes(time));
            to_there().find(|line| of_host(line.downstream_remote_address) && in_time(line))
        })
    })
}

/// The sidecars that read the request: who read one logs its path.
fn read_by(found: &Found<'_>) -> Vec<Party> {
    let logs = [(Party::ClientSidecar, found.client_log), (Party::ServerSidecar, found.server_log)];
    let read = logs.into_iter().filter(|(_, log)| log.is_some_and(|line| line.path.is_some()));
    read.map(|(party, _)| party).collect()
}

fn legs(mesh: &Mesh, call: &MadeCall, found: &Found<'_>) -> Vec<Leg> {
    let client_sidecar = mesh.pods[call.from].sidecar.is_some() && found.leg1.is_some();
    let server_sidecar = found.to_sidecar;
    let name = |sidecar: bool| if sidecar { "sidecar" } else { "app" };
    let mut legs = Vec::new();
    if let Some(flow) = found.leg1 {
        legs.push(leg(1, "app -> sidecar".into(), flow));
    }
    if let Some(flow) = found.leg2 {
        legs.push(leg(2, format!("{} -> {}", name(client_sidecar), name(server_sidecar)), flow));
    }
    if let Some(flow) = found.leg3 {
        legs.push(leg(3, "sidecar -> app".into(), flow));
    }
    legs
}

fn leg(number: u8, path: String, flow: &Flow) -> Leg {
    let silent = flow.sent.bytes == 0 && flow.received.bytes == 0;
    Leg {
        leg: number,
        path,
        layers: if silent { Vec::new() } else { flow.content.iter().map(layer_kind).collect() },
        tls: flow.content.tls().map(tls_facts).collect(),
        interface: Some(flow.interface.name.clone()),
        source: Some(flow.initiator.ip()),
        dials: Some(flow.dialled()),
        redirected_to: flow.redirect.map(|redirect| redirect.redirected_to.port()),
    }
}

fn layer_kind(layer: &Layer) -> LayerKind {
    match layer {
        Layer::Tls(tls) if tls.mutual => LayerKind::Mtls,
        Layer::Tls(_) => LayerKind::Tls,
        Layer::Http1(_) => LayerKind::Http1,
        Layer::H2(_) => LayerKind::H2,
        Layer::Tcp(_) => LayerKind::Tcp,
    }
}

fn tls_facts(tls: &Tls) -> TlsFacts {
    let identity = |certificate: &Option<observe::Certificate>| {
        let certificate = certificate.as_ref()?;
        certificate.uri_sans.first().or(certificate.dns_sans.first()).cloned()
    };
    TlsFacts {
        version: tls.version.clone(),
        cipher_suite: tls.cipher_suite.clone(),
        group: tls.group.clone(),
        alpn_offered: tls.alpn_offered.clone(),
        alpn: tls.alpn.clone(),
        sni: tls.sni.clone(),
        client_identity: identity(&tls.client_certificate),
        server_identity: identity(&tls.server_certificate),
    }
}

fn outcome(mesh: &Mesh, call: &MadeCall, found: &Found<'_>) -> Outcome {
    let reached_app = found.leg3.or(found.leg2).is_some_and(|flow| flow.contains(&call.marker));
    let status = call.report.status();
    let delivered = call.report.ok && reached_app && status.is_none_or(|status| status < 400);
    let refusal = (!delivered).then(|| refusal::of(mesh, call, found)).flatten();
    let at = refusal.map(|(at, _)| at);
    let log = match at {
        Some(Party::ServerSidecar) => found.server_log.or(found.client_log),
        _ => found.client_log.or(found.server_log),
    };
    let dash = || "-".to_owned();
    Outcome {
        delivered,
        at,
        reason: refusal.map(|(_, reason)| reason),
        response_flags: log.and_then(|line| line.response_flags.clone()).unwrap_or_else(dash),
        details: log.and_then(|line| line.response_code_details.clone()).unwrap_or_else(dash),
        requested_server_name: found
            .client_log
            .and_then(|line| line.requested_server_name.clone())
            .unwrap_or_else(dash),
        status,
        admission: call.admission,
        app_sees: app_sees(&call.report),
    }
}

/// What the calling app sees, in one word. A gRPC call that failed has a status of its own, on top of HTTP's 200.
pub fn app_sees(report: &ClientReport) -> String {
    if let Some(FailureKind::GrpcStatus { name, .. }) = report.error.as_ref().map(|failure| &failure.kind) {
        return name.clone();
    }
    match (&report.error, report.status()) {
        (_, Some(status)) => status.to_string(),
        (None, None) => "echo".into(),
        (Some(failure), None) => match &failure.kind {
            FailureKind::TlsAlert { alert } => alert.clone(),
            kind => kind_name(kind),
        },
    }
}

fn kind_name(kind: &FailureKind) -> String {
    let json = serde_json::to_value(kind).unwrap_or_default();
    let name = json.get("problem").or(json.get("kind")).and_then(|name| name.as_str());
    name.unwrap_or("unknown").to_owned()
}
