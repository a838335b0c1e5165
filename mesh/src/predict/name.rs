//! Name resolution as the calling app's resolver does it.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    account::{Account, AppSees, Callee, Decision, Outcome, Party, Reason, SCHEMA, Step},
    model::{Family, Mesh, Source},
};

use super::{Call, CallError, caller};

/// Why a host has no address to call.
pub(super) enum Unknown {
    /// The name does not resolve at all.
    Nowhere,
    /// It has no address of the requested family.
    Family(CallError),
}

/// The addresses that a call may go to, all of one family; the app may use any of them.
pub(super) fn addresses(mesh: &Mesh, call: &Call) -> Result<Vec<IpAddr>, Unknown> {
    if let Ok(ip) = call.host.parse() {
        return Ok(vec![ip]);
    }
    let all = mesh.resolve_in(call.from, &call.host);
    if all.is_empty() {
        return Err(Unknown::Nowhere);
    }
    let of = |family| all.iter().copied().filter(|&ip| Family::of(ip) == family).collect::<Vec<_>>();
    let found = match call.family {
        Some(family) => of(family),
        None => Some(of(Family::Ipv4)).filter(|v4| !v4.is_empty()).unwrap_or_else(|| of(Family::Ipv6)),
    };
    if found.is_empty() {
        let family = call.family.unwrap_or(Family::Ipv4);
        return Err(Unknown::Family(CallError::NoAddress { host: call.host.clone(), family }));
    }
    Ok(found)
}

/// The account of a call whose name does not resolve: nothing is sent.
pub(super) fn not_resolved(mesh: &Mesh, call: &Call) -> Account {
    let pod = &mesh.pods[call.from];
    let (because, source) = why(mesh, call);
    Account {
        schema: SCHEMA.into(),
        mesh: mesh.flavor,
        control_plane: mesh.control_plane(),
        from: caller(pod),
        to: Callee {
            host: call.host.clone(),
            address: Ipv4Addr::UNSPECIFIED.into(),
            port: call.port,
            protocol: None,
            pod: None,
            target_port: None,
        },
        app_sends: call.app,
        app_speaks: call.speaks,
        legs: vec![],
        read_by: vec![],
        steps: vec![Step {
            at: Party::ClientApp,
            what: Decision::Name,
            choice: "does not resolve (NXDOMAIN)".into(),
            because,
            source,
        }],
        outcome: Outcome {
            delivered: false,
            at: Some(Party::ClientApp),
            reason: Some(Reason::NameNotResolved),
            response_flags: "-".into(),
            details: "-".into(),
            requested_server_name: "-".into(),
            status: None,
            grpc_status: None,
            admission: None,
            app_sees: AppSees::failure("resolution"),
        },
        route: None,
        app_gets: None,
        assumes: None,
        alternatives: vec![],
        notes: vec![],
    }
}

fn why(mesh: &Mesh, call: &Call) -> (String, Option<Source>) {
    let pod = &mesh.pods[call.from];
    if let Some(entry) = mesh.entries.iter().find(|entry| entry.host.eq_ignore_ascii_case(&call.host)) {
        let because =
            "a ServiceEntry has the host, but only DNS capture, which this pod does not use, gives it an address";
        return (because.into(), Some(entry.source.clone()));
    }
    let because = format!(
        "no Service has the name as pod {} completes it, and no host outside the cluster has it (sidelab.io/external-host)",
        pod.name
    );
    match mesh.nearest_host(&call.host, &pod.name.namespace) {
        Some(meant) => (format!("{because}; did you mean {meant}?"), None),
        None => (because, None),
    }
}
