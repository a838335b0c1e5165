//! VirtualServices for the called host whose routes the call does not consult, and why.

use crate::{
    account::{Note, NoteKind},
    model::{Pod, Service, ServicePort, VirtualService, seen_by},
    predict::{Ends, scope::LeftOut},
};

/// A note for each. Where a Sidecar leaves the service out, its note says it already.
pub(super) fn of_virtual_services(ends: &Ends<'_>, service: &Service) -> Vec<Note> {
    let is_gateway = |pod: &Pod| pod.is_gateway();
    // A gateway routes by those for itself, which the account shows.
    if LeftOut::of(ends).is_some() || ends.client.is_gateway() || ends.server.is_some_and(is_gateway) {
        return vec![];
    }
    let seen = seen_by(&ends.mesh.virtual_services, ends.client);
    let all = ends.mesh.virtual_services.iter().filter(|one| one.is_for_host(&service.host));
    all.filter_map(|one| {
        let why = why_not(ends, one, &seen)?;
        Some(Note::new(NoteKind::NotUsed, format!("{}: {why}", one.full_name())).about(&one.source))
    })
    .collect()
}

/// Why the client's sidecar does not consult it; `None` if it does.
fn why_not(ends: &Ends<'_>, one: &VirtualService, seen: &[&VirtualService]) -> Option<String> {
    let client = &ends.client.name;
    if !one.is_for_sidecars() {
        return Some(format!(
            "it is for gateway {}, and sidecars follow those for gateway mesh",
            one.gateways.join(", ")
        ));
    }
    if ends.client.sidecar.is_none() {
        return Some(format!("{client} has no sidecar, and the client's sidecar routes"));
    }
    let Some(place) = seen.iter().position(|other| other.name == one.name) else {
        return Some(format!("its exportTo does not name the client's namespace, {}", client.namespace));
    };
    let port = ends.to.1?;
    if !consults(one, port) {
        return Some(format!("port {} is {}: {}", port.port, port.protocol, instead(one, port)));
    }
    let same_host = |other: &&&VirtualService| {
        other.has_http_for(ends.client)
            && other.hosts.iter().any(|host| one.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    };
    let first = seen[..place].iter().find(same_host).filter(|_| port.protocol.is_http())?;
    Some(format!("{} is for the same host and older, and routes of http are not merged", first.full_name()))
}

/// Whether any of its routes are for what the port carries.
fn consults(one: &VirtualService, port: &ServicePort) -> bool {
    let protocol = port.protocol;
    let relays = !one.tcp.is_empty() || (protocol.is_tls() && !one.tls.is_empty());
    let is_http = protocol.is_http() || protocol.is_auto();
    (is_http && !one.http.is_empty()) || (!protocol.is_http() && relays)
}

/// What happens there instead.
fn instead(one: &VirtualService, port: &ServicePort) -> &'static str {
    match (port.protocol.is_http(), one.http.is_empty()) {
        (true, _) => "routes of tls and tcp are not consulted for requests",
        (false, false) => "its bytes are relayed, and no route of http is ever consulted",
        (false, true) => "no route of tls is consulted for bytes that are not the app's TLS",
    }
}
