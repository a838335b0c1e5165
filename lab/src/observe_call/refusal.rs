//! Determines from the evidence who refused a call, and why.

use demo_apps::failure::FailureKind;
use envoy_rules::outcome::{Outcome, UpstreamReset};
use mesh::{
    account::{Party, Reason},
    model::Mesh,
};
use observe::{End, Flow, Handshake, Opening, Side, Tls};

use super::{found::Found, made::MadeCall};
use crate::access_log::Line;

/// Who refused, and why; `None` if the evidence does not say.
///
/// The evidence nearest to the called app counts first: what happened there is why the rest failed.
pub(super) fn find(mesh: &Mesh, call: &MadeCall, found: &Found<'_>) -> Option<(Party, Reason)> {
    if matches!(call.report.error.as_ref().map(|failure| &failure.kind), Some(FailureKind::Resolution)) {
        return Some((Party::ClientApp, Reason::NameNotResolved));
    }
    let way = Way::new(mesh, call, found);
    let leg = |flow: Option<&Flow>, responder| flow.and_then(|flow| way.on_leg(flow, responder));
    leg(found.leg3, Party::ServerApp)
        .or_else(|| by_log(found.server_log, Party::ServerSidecar, Party::ServerApp))
        .or_else(|| leg(found.leg4, way.server_side))
        .or_else(|| by_log(found.gateway_log, Party::Gateway, way.server_side))
        .or_else(|| leg(found.leg2, way.leg2_to))
        .or_else(|| by_log(found.client_log, Party::ClientSidecar, way.leg2_to))
        .or_else(|| leg(found.leg1, Party::ClientSidecar))
        .or_else(|| silence(call, found, &way))
}

/// The parties of a call, and the TLS layers that each terminates.
struct Way<'a> {
    found: &'a Found<'a>,
    /// The party at the start of leg 2.
    client_side: Party,
    /// The party at the end of leg 2.
    leg2_to: Party,
    /// The party at the end of the last leg between pods.
    server_side: Party,
}

impl<'a> Way<'a> {
    fn new(mesh: &Mesh, call: &MadeCall, found: &'a Found<'a>) -> Self {
        let client_sidecar = mesh.pods[call.from].sidecar.is_some() && found.leg1.is_some();
        let server_sidecar = found.to_sidecar;
        // A service's address that led to no pod was refused by the node.
        let by_node =
            found.server.is_none() && found.last().is_some_and(|flow| mesh.service_at(flow.dialled().ip()).is_some());
        let server_side = match server_sidecar {
            true => Party::ServerSidecar,
            false if by_node => Party::Node,
            false => Party::ServerApp,
        };
        Self {
            found,
            client_side: if client_sidecar { Party::ClientSidecar } else { Party::ClientApp },
            leg2_to: if found.gateway.is_some() { Party::Gateway } else { server_side },
            server_side,
        }
    }

    /// The evidence of a connection: which end closed it, and how.
    fn on_leg(&self, flow: &Flow, responder: Party) -> Option<(Party, Reason)> {
        if flow.opening == Opening::Refused {
            return Some((responder, Reason::ConnectionRefused));
        }
        flow.content.tls().find_map(|tls| {
            let party = match &tls.handshake {
                Handshake::Refused { by, .. } | Handshake::Closed { by, .. } => self.party(tls, *by),
                // The end that gets a non-TLS answer gives up.
                Handshake::NotTls { by: Side::Server, .. } => self.party(tls, Side::Client),
                Handshake::NotTls { by: Side::Client, .. } => self.party(tls, Side::Server),
                Handshake::Complete | Handshake::Unfinished { .. } | Handshake::Unknown { .. } => return None,
            };
            Some((party, Reason::TlsHandshakeFailed))
        })
    }

    /// The party at one end of a TLS layer. A layer on several legs passes through the sidecars between them.
    fn party(&self, tls: &Tls, side: Side) -> Party {
        let Found { leg1, leg2, leg3, leg4, .. } = self.found;
        let seen_on = |leg: &Option<&Flow>| leg.is_some_and(|flow| flow.content.carries(tls));
        match side {
            Side::Client if seen_on(leg1) => Party::ClientApp,
            Side::Client if seen_on(leg2) => self.client_side,
            Side::Client if seen_on(leg4) => Party::Gateway,
            Side::Client => Party::ServerSidecar,
            Side::Server if seen_on(leg3) => Party::ServerApp,
            Side::Server if seen_on(leg4) => self.server_side,
            Side::Server if seen_on(leg2) => self.leg2_to,
            Side::Server => Party::ClientSidecar,
        }
    }
}

/// The evidence of a sidecar's log line: about the sidecar, or what is upstream of it. `None` if it only reports that a connection
/// ended, about which packets say more.
fn by_log(line: Option<&Line>, sidecar: Party, upstream: Party) -> Option<(Party, Reason)> {
    let line = line?;
    let outcome = line.outcome()?;
    let party = match outcome {
        Outcome::NoFilterChainMatch
        | Outcome::NoRoute
        | Outcome::NoCluster
        | Outcome::NoHealthyUpstream
        | Outcome::Overflow
        | Outcome::DirectResponse
        | Outcome::CorsPreflight
        | Outcome::FaultAbort
        | Outcome::DownstreamProtocolError(_)
        | Outcome::Rejected(_)
        | Outcome::Denied(_)
        // Its own limit, and its own answer: what is upstream may be well, and only slow.
        | Outcome::ResponseTimeout
        | Outcome::PerTryTimeout => sidecar,
        Outcome::UpstreamReset(UpstreamReset::ProtocolError)
        | Outcome::ResponseBrokeOff(UpstreamReset::ProtocolError) => upstream,
        _ => return None,
    };
    let reason = match outcome {
        // A redirect and the answer for hosts that no service has are direct responses in logs, too.
        Outcome::DirectResponse if (300..400).contains(&line.response_code) => Reason::Redirect,
        Outcome::DirectResponse if line.route_name.as_deref() == Some("block_all") => Reason::BlockAll,
        outcome => Reason::of(&outcome)?,
    };
    Some((party, reason))
}

/// A connection that ended without a reason, or an answer that never came.
fn silence(call: &MadeCall, found: &Found<'_>, way: &Way<'_>) -> Option<(Party, Reason)> {
    match call.report.error.as_ref().map(|failure| &failure.kind) {
        Some(FailureKind::Timeout) => {
            // The party that waits is the last one that the connection reached.
            let waits = match (found.leg1, found.leg2, found.leg3) {
                (_, _, Some(_)) => Party::ServerApp,
                (_, Some(_), None) if found.leg4.is_none() => way.leg2_to,
                (_, Some(_), None) | (None, None, None) => way.server_side,
                (Some(_), None, None) => Party::ClientSidecar,
            };
            return Some((waits, Reason::Timeout));
        }
        // There was an answer, which the client can't parse.
        Some(FailureKind::HttpParse { .. } | FailureKind::EchoMismatch) => {
            let answered = match (found.leg3, found.leg4) {
                (Some(_), _) => Party::ServerApp,
                (None, Some(_)) => way.server_side,
                (None, None) => way.leg2_to,
            };
            return Some((answered, Reason::ProtocolError));
        }
        Some(FailureKind::ConnectionRefused) => return Some((Party::Node, Reason::ConnectionRefused)),
        _ => {}
    }
    // The app accepted the bytes, and closed the connection instead of answering.
    if found.leg3.is_some_and(|flow| flow.sent.bytes > 0 && flow.received.bytes == 0 && flow.received.end != End::Open)
    {
        return Some((Party::ServerApp, Reason::ConnectionTerminated));
    }
    let ended = |flow: Option<&Flow>| flow.is_some_and(|flow| flow.received.end != End::Open);
    let terminated = |party| Some((party, Reason::ConnectionTerminated));
    if ended(found.leg4) {
        return terminated(way.server_side);
    }
    if ended(found.leg2) { terminated(way.leg2_to) } else { None }
}
