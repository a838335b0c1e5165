//! Who refused a call, and why, by what was seen.

use mesh::{
    account::{Party, Reason},
    model::Mesh,
};
use observe::{End, Flow, Handshake, Opening, Side};

use super::{Found, MadeCall};
use crate::access_log::Line;

/// Who refused, and why. Nothing if the evidence does not say.
///
/// The evidence nearest to the called app counts first: what happened there is why the rest failed.
pub(super) fn of(mesh: &Mesh, call: &MadeCall, found: &Found<'_>) -> Option<(Party, Reason)> {
    let client_sidecar = mesh.pods[call.from].sidecar.is_some() && found.leg1.is_some();
    let server_sidecar = found.server.is_some_and(|pod| mesh.pods[pod].sidecar.is_some());
    let client_side = if client_sidecar { Party::ClientSidecar } else { Party::ClientApp };
    let server_side = if server_sidecar { Party::ServerSidecar } else { Party::ServerApp };
    let app = found.leg3.and_then(|flow| on_leg(flow, Party::ServerSidecar, Party::ServerApp));
    app.or_else(|| by_log(found.server_log, Party::ServerSidecar))
        .or_else(|| found.leg2.and_then(|flow| on_leg(flow, client_side, server_side)))
        .or_else(|| by_log(found.client_log, Party::ClientSidecar))
        .or_else(|| silence(call, found, server_side))
}

/// What a connection says: who of its two sides ended it, and how.
fn on_leg(flow: &Flow, initiator: Party, responder: Party) -> Option<(Party, Reason)> {
    if flow.opening == Opening::Refused {
        return Some((responder, Reason::ConnectionRefused));
    }
    let party = |side: Side| match side {
        Side::Client => initiator,
        Side::Server => responder,
    };
    flow.content.tls().find_map(|tls| match &tls.handshake {
        Handshake::Refused { by, .. } | Handshake::Closed { by, .. } => Some((party(*by), Reason::TlsHandshakeFailed)),
        // Who is answered by something that is not TLS gives up.
        Handshake::NotTls { by: Side::Server, .. } => Some((initiator, Reason::TlsHandshakeFailed)),
        Handshake::NotTls { by: Side::Client, .. } => Some((responder, Reason::TlsHandshakeFailed)),
        Handshake::Complete | Handshake::Unfinished { .. } | Handshake::Unknown { .. } => None,
    })
}

/// What a sidecar's line says by its flags and details.
fn by_log(line: Option<&Line>, party: Party) -> Option<(Party, Reason)> {
    let line = line?;
    let details = line.response_code_details.as_deref().unwrap_or_default();
    let reason = match details {
        "filter_chain_not_found" => Reason::NoFilterChainMatch,
        "route_not_found" => Reason::NoRoute,
        "direct_response" => Reason::DirectResponse,
        details if details.starts_with("rbac_access_denied") => Reason::Forbidden,
        _ if line.has_flag("UH") => Reason::NoHealthyUpstream,
        _ if line.has_flag("DPE") || line.has_flag("UPE") => Reason::ProtocolError,
        _ if line.has_flag("UT") => Reason::Timeout,
        _ => return None,
    };
    Some((party, reason))
}

/// A connection that just ended, or an answer that never came.
fn silence(call: &MadeCall, found: &Found<'_>, server_side: Party) -> Option<(Party, Reason)> {
    use demo_apps::failure::FailureKind;
    match call.report.error.as_ref().map(|failure| &failure.kind) {
        Some(FailureKind::Timeout) => return Some((server_side, Reason::Timeout)),
        Some(FailureKind::ConnectionRefused) => return Some((Party::Node, Reason::ConnectionRefused)),
        _ => {}
    }
    let ended_by_server = found.leg2.is_some_and(|flow| flow.received.end != End::Open);
    ended_by_server.then_some((server_side, Reason::ConnectionTerminated))
}
