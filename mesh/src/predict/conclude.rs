//! Assembles the account of a simulated call.

use envoy_rules::grpc::{GrpcStatus, name_of};

use crate::{
    account::{Account, AppSees, AppSpeaks, Callee, Caller, LegNumber, Outcome, Party, Reason, SCHEMA},
    model::{ControlPlane, Flavor},
};

use super::{
    answer,
    call::Call,
    trace::{Log, Trace},
    wire::{Reply, Sent},
};

/// The account of a simulated call.
pub(super) fn conclude(
    mesh: Flavor,
    from: Caller,
    to: Callee,
    call: &Call,
    sent: &[Sent],
    reply: &Reply,
    trace: Trace,
) -> Account {
    let (status, app_sees) = answer::sees(sent, reply);
    let is_grpc = call.speaks == Some(AppSpeaks::Grpc);
    let failed = trace.grpc_status.filter(|status| is_grpc && *status != 0);
    let answered = app_sees == AppSees::Echo || status.is_some_and(|status| status < 400);
    let delivered = answered && trace.reached_app && failed.is_none();
    // Nobody refused what the called app answers itself.
    let by_app = trace.reached_app && trace.refusal.is_none() && status.is_some();
    // A failed call that no party refused was given up by the calling app.
    let given_up = match reply {
        Reply::Silence => Reason::Timeout,
        Reply::Response(..) | Reply::Echo | Reply::Alert | Reply::Broken(..) if matches!(sent, [Sent::Tls(_), ..]) => {
            Reason::TlsHandshakeFailed
        }
        Reply::Response(..)
        | Reply::Echo
        | Reply::Alert
        | Reply::StreamReset
        | Reply::Broken(..)
        | Reply::Tunnel(..) => Reason::ProtocolError,
        Reply::Refused | Reply::Unreachable => Reason::ConnectionRefused,
        Reply::Reset | Reply::Closed => Reason::ConnectionTerminated,
    };
    let refusal = (!delivered && !by_app).then(|| trace.refusal.unwrap_or((Party::ClientApp, given_up)));
    let [client_log, server_log, gateway_log] = trace.logs;
    // A gateway that reads requests has no line for a connection without any.
    let is_logged = trace.legs.iter().any(|leg| leg.number == LegNumber::ToSidecar) || gateway_log.is_some();
    let log = match refusal {
        Some((Party::ServerSidecar, _)) => server_log.or(gateway_log).or(client_log),
        Some((Party::Gateway, _)) => gateway_log.or(client_log),
        _ => client_log.or(gateway_log).or(server_log),
    };
    let log = log.unwrap_or_else(Log::plain);
    let of_http = |status| u32::from(GrpcStatus::from_http(status).code());
    let failure =
        status.filter(|_| is_grpc && !delivered).map(|status| trace.grpc_status.unwrap_or_else(|| of_http(status)));
    let (status, app_sees) = match failure {
        Some(failure) if by_app => (status, AppSees::failure(name_of(failure))),
        // A sidecar's own answer to a gRPC request is a `200` with a gRPC status.
        Some(failure) => (Some(200), AppSees::failure(name_of(failure))),
        None => (status, app_sees),
    };
    let succeeded = (is_grpc && delivered).then_some(0);
    Account {
        schema: SCHEMA.into(),
        mesh,
        control_plane: ControlPlane::Compiler,
        from,
        to,
        app_sends: call.app,
        app_speaks: call.speaks,
        legs: trace.legs,
        read_by: trace.read_by,
        steps: trace.steps,
        route: trace.route,
        app_gets: trace.app_gets,
        outcome: Outcome {
            delivered,
            at: refusal.map(|(party, _)| party),
            reason: refusal.map(|(_, reason)| reason),
            response_flags: log.flags.into(),
            details: log.details.into(),
            requested_server_name: trace.requested_server_name.filter(|_| is_logged).into(),
            status,
            grpc_status: failure.and_then(|code| u8::try_from(code).ok()).or(succeeded),
            admission: None,
            app_sees,
        },
        assumes: None,
        alternatives: vec![],
        notes: vec![],
    }
}
