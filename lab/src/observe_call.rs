//! Turns captures and logs into the account of one call.
//!
//! The contents of a leg are read from packets. The participants' logs are used only for what no packet contains (Envoy's flags and
//! details), and to attribute a connection to a call that left no mark on the wire.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use demo_apps::{failure::FailureKind, report::ClientReport};
use mesh::{
    account::{
        Account, AppSees, Callee, Caller, Interface, LayerKind, Leg, LegEnd, LegNumber, LegPath, Outcome, Party,
        SCHEMA, TlsFacts,
    },
    model::Mesh,
};
use observe::{Cost, Flow, Layer, Tls};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{access_log::Line, counters::Count, loads::LoadSeen, scenario::Probe, traces::Trace};

mod found;
mod made;
mod refusal;

use self::found::{Found, find};
pub use self::made::{MadeCall, Observations};

/// The evidence for an account.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Evidence {
    /// The client's own report.
    pub client: ClientReport,
    /// The line of the client's sidecar.
    pub client_sidecar_log: Option<String>,
    /// The line of the server's sidecar.
    pub server_sidecar_log: Option<String>,
    /// The line of the gateway, if the call goes through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_log: Option<String>,
    /// The decrypted connection of each leg.
    pub flows: BTreeMap<LegNumber, Flow>,
    /// The cost of each leg in bytes, layer by layer.
    pub costs: BTreeMap<LegNumber, Cost>,
    /// What the probe's calls added to the counters of which it expects something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
    /// The traces that the probe's calls left at the collector of which it expects something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Trace>,
    /// What the loads did, from the first change before the call to its end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<LoadSeen>,
    /// Notes for people: what could not be read, and what was derived.
    pub notes: Vec<String>,
}

/// A call as it was seen on the wire.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Seen {
    /// The account according to packets and logs.
    #[serde(flatten)]
    pub account: Account,
    pub evidence: Evidence,
}

/// The account of a call, with its evidence.
pub fn account(mesh: &Mesh, probe: &Probe, call: &MadeCall, seen: &Observations) -> Seen {
    let found = find(mesh, call, seen);
    let client = &mesh.pods[call.from];
    let server = found.server.map(|pod| &mesh.pods[pod]);
    let dialled = call.report.remote.unwrap_or(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), probe.port));
    let service = mesh.services.iter().find(|service| service.vips.contains(&dialled.ip()));
    let account = Account {
        schema: SCHEMA.into(),
        mesh: mesh.flavor,
        control_plane: mesh.control_plane(),
        from: Caller { pod: client.name.to_string(), ips: client.ips.both().into(), sidecar: client.sidecar.is_some() },
        to: Callee {
            host: service.map_or_else(|| probe.host.clone(), |service| service.host.clone()),
            address: dialled.ip(),
            port: dialled.port(),
            protocol: service
                .and_then(|service| service.ports.iter().find(|port| port.port == dialled.port()))
                .map(|port| port.protocol),
            pod: server.map(|pod| pod.name.to_string()),
            target_port: found.leg3.or(found.leg4).or(found.leg2).map(|flow| flow.dialled().port()),
        },
        app_sends: probe.app,
        app_speaks: probe.speaks,
        legs: legs(mesh, call, &found),
        read_by: read_by(&found),
        steps: Vec::new(),
        route: None,
        app_gets: None,
        outcome: outcome(mesh, call, &found),
        assumes: None,
        alternatives: Vec::new(),
        notes: Vec::new(),
    };
    let mut notes: Vec<String> = Vec::new();
    notes.extend(call.admission_message.iter().map(|message| format!("the API server says: {message}")));
    notes.extend(found.derived.map(|why| format!("whether leg 2 reached a sidecar is {why}")));
    if seen.dropped > 0 {
        notes.push(format!("the capture lost {} packets", seen.dropped));
    }
    let flows: BTreeMap<LegNumber, Flow> = LegNumber::ALL
        .into_iter()
        .zip([found.leg1, found.leg2, found.leg4, found.leg3])
        .filter_map(|(number, flow)| Some((number, flow?.clone())))
        .collect();
    for (number, flow) in &flows {
        notes.extend(flow.content.tls().flat_map(|tls| &tls.unopened).map(|why| format!("leg {number}: {why}")));
    }
    let evidence = Evidence {
        client: call.report.clone(),
        client_sidecar_log: found.client_log.map(|line| line.raw.clone()),
        server_sidecar_log: found.server_log.map(|line| line.raw.clone()),
        gateway_log: found.gateway_log.map(|line| line.raw.clone()),
        costs: flows.iter().map(|(number, flow)| (*number, flow.cost())).collect(),
        flows,
        counts: call.counts.clone(),
        traces: call.traces.clone(),
        loads: Vec::new(),
        notes,
    };
    Seen { account, evidence }
}

/// The sidecars and gateways that read the request: they log its path.
fn read_by(found: &Found<'_>) -> Vec<Party> {
    let logs = [
        (Party::ClientSidecar, found.client_log),
        (Party::Gateway, found.gateway_log),
        (Party::ServerSidecar, found.server_log),
    ];
    let read = logs.into_iter().filter(|(_, log)| log.is_some_and(|line| line.path.is_some()));
    read.map(|(party, _)| party).collect()
}

fn legs(mesh: &Mesh, call: &MadeCall, found: &Found<'_>) -> Vec<Leg> {
    let client_sidecar = mesh.pods[call.from].sidecar.is_some() && found.leg1.is_some();
    let server_side = LegEnd::of_pod(found.to_sidecar);
    let behind = if found.gateway.is_some() { LegEnd::Gateway } else { server_side };
    let mut legs = Vec::new();
    if let Some(flow) = found.leg1 {
        legs.push(leg(LegNumber::ToSidecar, LegPath::AppToSidecar, flow));
    }
    if let Some(flow) = found.leg2 {
        legs.push(leg(LegNumber::BetweenPods, LegPath::between(LegEnd::of_pod(client_sidecar), behind), flow));
    }
    if let Some(flow) = found.leg4 {
        let to_gateway = found.server.is_some_and(|pod| mesh.pods[pod].is_gateway());
        let to = if to_gateway { LegEnd::Gateway } else { server_side };
        legs.push(leg(LegNumber::FromGateway, LegPath::between(LegEnd::Gateway, to), flow));
    }
    if let Some(flow) = found.leg3 {
        legs.push(leg(LegNumber::ToApp, LegPath::SidecarToApp, flow));
    }
    legs
}

fn leg(number: LegNumber, path: LegPath, flow: &Flow) -> Leg {
    let silent = flow.sent.bytes == 0 && flow.received.bytes == 0;
    Leg {
        layers: if silent { Vec::new() } else { flow.content.iter().map(layer_kind).collect() },
        tls: flow.content.tls().map(tls_facts).collect(),
        interface: interface(flow),
        source: Some(flow.initiator.ip()),
        dials: Some(flow.dialled()),
        redirected_to: flow.redirect.map(|redirect| redirect.redirected_to.port()),
        ..Leg::silent(number, path)
    }
}

/// The interface on which a connection was seen.
fn interface(flow: &Flow) -> Option<Interface> {
    [Interface::Lo, Interface::Eth0].into_iter().find(|interface| interface.to_string() == flow.interface.name)
}

/// The name of a layer in accounts.
pub(crate) fn layer_kind(layer: &Layer) -> LayerKind {
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
    let reached_app = found.leg3.or(found.last()).is_some_and(|flow| flow.contains(&call.marker));
    let status = call.report.status();
    let delivered = call.report.ok && reached_app && status.is_none_or(|status| status < 400);
    let refusal = (!delivered).then(|| refusal::find(mesh, call, found)).flatten();
    let at = refusal.map(|(at, _)| at);
    let log = match at {
        Some(Party::ServerSidecar) => found.server_log.or(found.gateway_log).or(found.client_log),
        Some(Party::Gateway) => found.gateway_log.or(found.client_log),
        _ => found.client_log.or(found.gateway_log).or(found.server_log),
    };
    Outcome {
        delivered,
        at,
        reason: refusal.map(|(_, reason)| reason),
        response_flags: log.and_then(|line| line.response_flags.clone()).into(),
        details: log.and_then(Line::details).map(str::to_owned).into(),
        requested_server_name: found
            .client_log
            .or(found.gateway_log)
            .and_then(|line| line.requested_server_name.clone())
            .into(),
        status,
        grpc_status: call.report.grpc.as_ref().and_then(|grpc| u8::try_from(grpc.status.as_ref()?.code).ok()),
        admission: call.admission,
        app_sees: app_sees(&call.report),
    }
}

/// What the calling app sees, in one word. A failed gRPC call has a separate status, in addition to HTTP's 200.
pub fn app_sees(report: &ClientReport) -> AppSees {
    if let Some(FailureKind::GrpcStatus { name, .. }) = report.error.as_ref().map(|failure| &failure.kind) {
        return AppSees::failure(name);
    }
    match (&report.error, report.status()) {
        (_, Some(status)) => AppSees::Status(status),
        (None, None) => AppSees::Echo,
        (Some(failure), None) => match &failure.kind {
            FailureKind::TlsAlert { alert } => AppSees::failure(alert),
            FailureKind::Certificate { problem } => AppSees::failure(problem.to_string()),
            kind => AppSees::failure(kind.name()),
        },
    }
}
