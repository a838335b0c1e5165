//! Predicts the outcome of a call.
//!
//! The configurations of both sidecars are compiled and *simulated*: redirect rules, listeners, filter chains
//! (`envoy-rules`, which the data plane also runs), routes, clusters, handshakes, as Envoy evaluates them. A prediction
//! thus follows from the configuration of the data planes, and names the policy behind each decision.

use std::net::{IpAddr, SocketAddr};

use crate::{
    account::{Account, Callee, Caller, Decision, LayerKind},
    model::{Mesh, Pod, Service, ServicePort},
    stand_in::Clue,
};

mod answer;
mod app;
mod authorization;
mod call;
mod capture;
mod certificate;
mod conclude;
mod dumps;
mod fixes;
mod forwarded;
mod http;
mod inbound;
mod name;
mod place;
mod route;
mod scope;
mod sidecar;
mod simulate;
mod tls;
mod touching;
mod trace;
mod unused;
mod upstream;
mod ways;
mod webhook;
mod wire;
mod world;

pub use app::{ServerApp, Speaks};
pub use call::{Call, CallError};
pub use dumps::predict_dumps;

use app::AppTls;
use certificate::{Authority, Certificate};
use conclude::conclude;
use simulate::Simulation;
use trace::Trace;
use ways::Picks;
use world::World;

/// Predicts a call: its answer, the [other answers](Account::alternatives) where any of several endpoints may be taken, and what
/// there is to know beside.
///
/// # Errors
/// When a sidecar's configuration is one that Envoy refuses, or something that is not modelled takes part.
///
/// # Panics
/// If `call.from` is no index of [`pods`](crate::model::Resolved::pods), or `call.webhook` none of [`webhooks`](crate::model::Resolved::webhooks).
pub fn predict(mesh: &Mesh, call: &Call) -> Result<Account, CallError> {
    let mut ways = predict_each(mesh, call)?.into_iter();
    let mut first = ways.next().expect("there is a way at least");
    for other in ways {
        if !ways::is_same_answer(&first, &other)
            && !first.alternatives.iter().any(|one| ways::is_same_answer(one, &other))
        {
            first.alternatives.push(other);
        }
    }
    let callee = first.to.pod.as_deref().and_then(|pod| mesh.pod(pod, ""));
    let ends = Ends {
        mesh,
        call,
        client: &mesh.pods[call.from],
        server: callee.map(|pod| &mesh.pods[pod]),
        to: called(mesh, call, first.to.address),
    };
    first.notes = touching::notes(&ends);
    first.notes.extend(scope::note(&ends));
    first.notes.extend(unused::notes(&ends, &first));
    first.notes.extend(fixes::notes(&ends, &first));
    Ok(first)
}

/// Who takes part in a call.
struct Ends<'a> {
    mesh: &'a Mesh,
    call: &'a Call,
    client: &'a Pod,
    /// Who is called, if it is a pod.
    server: Option<&'a Pod>,
    /// The service and its port, if it is one's.
    to: (Option<&'a Service>, Option<&'a ServicePort>),
}

/// Predicts every way that a call may go, where any of several endpoints may be taken: the way by the first of each, and others.
/// They may have the same answer, each at its own addresses.
///
/// # Errors
/// As [`predict`].
///
/// # Panics
/// As [`predict`].
pub fn predict_each(mesh: &Mesh, call: &Call) -> Result<Vec<Account>, CallError> {
    modelled(&mesh.pods[call.from])?;
    let addresses = match name::addresses(mesh, call) {
        Ok(addresses) => addresses,
        Err(name::Unknown::Nowhere) => return Ok(vec![name::not_resolved(mesh, call)]),
        Err(name::Unknown::Family(error)) => return Err(error),
    };
    let world = World::of_mesh(mesh);
    ways::each(|picks| one_way(mesh, call, &addresses, &world, picks))
}

/// The service and port that a call is to.
fn called<'m>(mesh: &'m Mesh, call: &Call, address: IpAddr) -> (Option<&'m Service>, Option<&'m ServicePort>) {
    let namespace = mesh.pods[call.from].name.namespace.as_str();
    let service = mesh.service_at(address).or_else(|| mesh.service(&call.host, namespace));
    let service = service.or_else(|| mesh.pod_of_headless(&call.host, namespace).map(|(_, service)| service));
    let service = service.or_else(|| mesh.entries.iter().find(|entry| entry.host.eq_ignore_ascii_case(&call.host)));
    (service, service.and_then(|service| service.port(call.port)))
}

/// Predicts one way that a call may go.
fn one_way(
    mesh: &Mesh,
    call: &Call,
    addresses: &[IpAddr],
    world: &World<'_>,
    mut picks: Picks,
) -> Result<(Account, Picks), CallError> {
    let pod = &mesh.pods[call.from];
    let address = addresses[picks.pick(addresses.len())];
    let webhook = call.webhook.map(|index| &mesh.webhooks[index]);
    let host = call.sni.as_deref().unwrap_or(&call.host);
    let check = webhook.map_or_else(|| app::trust(pod, host), |webhook| webhook::check(webhook, pod));
    let of_webhook = webhook.map(|webhook| Call { path: Some(webhook.place.path().into()), ..call.clone() });
    let sent = of_webhook.as_ref().unwrap_or(call).layers(check, own_certificate(pod, call)?);
    let server_app = |host: Option<usize>, port: u16| {
        let app = call.server_app.or_else(|| Some(ServerApp::of(mesh, host?, port)));
        let tls = host.map_or_else(|| AppTls::unknown(Authority::Public), |host| AppTls::of(mesh, host));
        (app.unwrap_or_default(), tls)
    };
    let subset = call.subset.as_deref();
    let mut simulation = Simulation { world, server_app: &server_app, subset, picks, trace: Trace::default() };
    let reply = simulation.call(call.from, SocketAddr::new(address, call.port), &sent)?;
    let Simulation { mut trace, picks, .. } = simulation;

    let (service, service_port) = called(mesh, call, address);
    let first = service_port.and_then(|port| port.endpoints.first()).map(|endpoint| (endpoint.pod, endpoint.port));
    let callee = trace.callee.or(first);
    if let Some((pod, _)) = callee {
        modelled(&mesh.pods[pod])?;
    }
    trace.add_silent_legs(callee.is_some_and(|(pod, port)| redirects(&mesh.pods[pod], port)));
    let to = Callee {
        host: service.map_or_else(|| call.host.clone(), |service| service.host.clone()),
        address,
        port: call.port,
        protocol: service_port.map(|port| port.protocol),
        pod: callee.map(|(pod, _)| mesh.pods[pod].name.to_string()),
        target_port: callee.map(|(_, port)| port),
    };
    let mut account = conclude(mesh.flavor, caller(pod), to, call, &sent, &reply, trace);
    account.control_plane = mesh.control_plane();
    account.outcome.admission = webhook.and_then(|webhook| {
        let from_manifest = || callee.map(|(pod, port)| ServerApp::of(mesh, pod, port));
        let server = call.server_app.or_else(from_manifest).unwrap_or_default();
        webhook::admission(webhook, account.outcome.delivered, server.speaks)
    });
    if let Some((pod, port)) = callee.filter(|_| call.server_app.is_none()) {
        account.assumes = assumption(mesh, pod, port, &account);
    }
    Ok((account, picks))
}

fn caller(pod: &Pod) -> Caller {
    Caller {
        pod: pod.name.to_string(),
        ips: pod.ips.both().into(),
        sidecar: pod.sidecar.is_some() && !pod.is_gateway(),
    }
}

/// What has to be true of a program that is not known, for a call to end as predicted.
fn assumption(mesh: &Mesh, pod: usize, port: u16, account: &Account) -> Option<String> {
    account.steps.iter().find(|step| step.what == Decision::App)?;
    let (app, pod) = (ServerApp::of(mesh, pod, port), &mesh.pods[pod]);
    let carried = account.legs.iter().rev().find(|leg| !leg.layers.is_empty())?;
    let is = |layer: LayerKind| carried.layers.contains(&layer);
    // mTLS between sidecars is not the app's.
    let tls = is(LayerKind::Tls) || (is(LayerKind::Mtls) && pod.sidecar.is_none());
    let what_it_is_sent = match (tls, is(LayerKind::Http1) || is(LayerKind::H2)) {
        (true, _) => "TLS",
        (false, true) if is(LayerKind::H2) => "HTTP/2 without TLS",
        (false, true) => "HTTP",
        (false, false) => "what it is sent",
    };
    let who = if pod.is_external() { "the host" } else { "the app" };
    match app.clue {
        None if app.speaks == Speaks::Anything && account.outcome.delivered => {
            Some(format!("{who} speaks {what_it_is_sent} on {port}"))
        }
        // A name in the certificate is the reason where nobody knows the program.
        Some(Clue::Annotation) if tls && pod.is_external() && !account.outcome.delivered => {
            Some(format!("the host's certificate is for {}", pod.external_hosts.join(", ")))
        }
        None | Some(Clue::Annotation) => None,
        Some(Clue::TargetPort) => Some(format!("{who} does not listen on {port}, as {} says", Clue::TargetPort)),
        Some(clue) => Some(format!("{who} speaks {} on {port}, as {clue} says", app.speaks.brief())),
    }
}

/// The certificate that the calling app shows, if it has one.
fn own_certificate(pod: &Pod, call: &Call) -> Result<Option<Certificate>, CallError> {
    let Some(path) = &call.certificate else { return Ok(None) };
    let found = app::own_certificate(pod, path).map(Some);
    found.ok_or_else(|| CallError::NoCertificate { path: path.clone(), pod: pod.name.to_string() })
}

fn modelled(pod: &Pod) -> Result<(), CallError> {
    match pod.unmodelled {
        Some((what, _)) => Err(CallError::NotModelled { pod: pod.name.to_string(), what }),
        None => Ok(()),
    }
}

/// Whether a pod's redirects send connections to one of its ports to its sidecar.
fn redirects(pod: &Pod, port: u16) -> bool {
    let to_pod = pod.sidecar.as_ref().zip(pod.ips.both().into_iter().next());
    to_pod.is_some_and(|(sidecar, ip)| {
        capture::inbound(&sidecar.capture, SocketAddr::new(ip, port)).redirected_to.is_some()
    })
}

#[cfg(test)]
mod tests;
