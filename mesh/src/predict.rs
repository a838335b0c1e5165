//! Predicts the outcome of a call.
//!
//! The configurations of both sidecars are compiled and *simulated*: redirect rules, listeners, filter chains
//! (`envoy-rules`, which the data plane also runs), routes, clusters, handshakes, as Envoy evaluates them. A prediction
//! thus follows from the configuration of the data planes, and names the policy behind each decision.

use std::net::{IpAddr, SocketAddr};

use crate::{
    account::{Account, Callee, Caller, LayerKind},
    model::{Family, Mesh, Pod},
};

mod app;
mod call;
mod capture;
mod certificate;
mod conclude;
mod dumps;
mod http;
mod inbound;
mod place;
mod sidecar;
mod simulate;
mod tls;
mod trace;
mod upstream;
mod webhook;
mod wire;
mod world;

pub use app::{ServerApp, Speaks};
pub use call::{Call, CallError};
pub use dumps::predict_dumps;

use certificate::{Authority, Certificate};
use conclude::conclude;
use simulate::Simulation;
use trace::Trace;
use world::World;

/// Predicts a call.
///
/// # Errors
/// If the host has no address, or a sidecar's configuration is one that Envoy refuses.
///
/// # Panics
/// If `call.from` is no index of [`pods`](crate::model::Resolved::pods), or `call.webhook` none of [`webhooks`](crate::model::Resolved::webhooks).
pub fn predict(mesh: &Mesh, call: &Call) -> Result<Account, CallError> {
    let pod = &mesh.pods[call.from];
    modelled(pod)?;
    let address = address(mesh, call)?;
    let webhook = call.webhook.map(|index| &mesh.webhooks[index]);
    let check = webhook.map_or_else(|| app::trust(pod, &call.host), |webhook| webhook::check(webhook, pod));
    let path = webhook.map_or("/", |webhook| webhook.place.path());
    let sent = call.layers(path, check);
    let server_app = |host: Option<usize>, port: u16| {
        let pod = host.map(|host| &mesh.pods[host]);
        let app = call.server_app.or_else(|| Some(ServerApp::of(pod?, port)));
        let certificate = pod.map_or_else(|| Certificate::of_app(Authority::Public), app::certificate);
        (app.unwrap_or_default(), certificate)
    };
    let world = World::of_mesh(mesh);
    let subset = call.subset.as_deref();
    let mut simulation = Simulation { world: &world, server_app: &server_app, subset, trace: Trace::default() };
    let reply = simulation.call(call.from, SocketAddr::new(address, call.port), &sent)?;
    let mut trace = simulation.trace;

    let namespace = pod.name.namespace.as_str();
    let service = mesh.service_at(address).or_else(|| mesh.service(&call.host, namespace));
    let service = service.or_else(|| mesh.pod_of_headless(&call.host, namespace).map(|(_, service)| service));
    let service = service.or_else(|| mesh.entries.iter().find(|entry| entry.host.eq_ignore_ascii_case(&call.host)));
    let service_port = service.and_then(|service| service.ports.iter().find(|port| port.port == call.port));
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
    let from = Caller { pod: pod.name.to_string(), ips: pod.ips.both().into(), sidecar: pod.sidecar.is_some() };
    let mut account = conclude(mesh.flavor, from, to, call.app, &sent, &reply, trace);
    account.control_plane = mesh.control_plane();
    account.outcome.admission = webhook.and_then(|webhook| {
        let from_manifest = || callee.map(|(pod, port)| ServerApp::of(&mesh.pods[pod], port));
        let server = call.server_app.or_else(from_manifest).unwrap_or_default();
        webhook::admission(webhook, account.outcome.delivered, server.speaks)
    });
    if let Some((pod, port)) = callee.filter(|_| account.outcome.delivered && call.server_app.is_none()) {
        account.assumes = assumption(&mesh.pods[pod], port, &account);
    }
    Ok(account)
}

/// What has to be true of a program of which nothing is known, for a call to be delivered.
fn assumption(pod: &Pod, port: u16, account: &Account) -> Option<String> {
    if ServerApp::of(pod, port).speaks != Speaks::Anything {
        return None;
    }
    let carried = account.legs.iter().rev().find(|leg| !leg.layers.is_empty())?;
    let is = |layer: LayerKind| carried.layers.contains(&layer);
    // mTLS between sidecars is not the app's.
    let tls = is(LayerKind::Tls) || (is(LayerKind::Mtls) && pod.sidecar.is_none());
    let speaks = match (tls, is(LayerKind::Http1) || is(LayerKind::H2)) {
        (true, _) => "TLS",
        (false, true) if is(LayerKind::H2) => "HTTP/2 without TLS",
        (false, true) => "HTTP",
        (false, false) => "what it is sent",
    };
    let who = if pod.is_external() { "the host" } else { "the app" };
    Some(format!("{who} speaks {speaks} on {port}"))
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

/// The address that a call goes to.
fn address(mesh: &Mesh, call: &Call) -> Result<IpAddr, CallError> {
    if let Ok(ip) = call.host.parse() {
        return Ok(ip);
    }
    let pod = &mesh.pods[call.from];
    let unknown = || CallError::UnknownHost {
        host: call.host.clone(),
        pod: pod.name.to_string(),
        meant: mesh.nearest_host(&call.host, &pod.name.namespace),
    };
    let addresses = match mesh.resolve_in(call.from, &call.host) {
        // A pod can resolve its own name.
        addresses if addresses.is_empty() && call.host == pod.name.name => pod.ips.both().into(),
        addresses => addresses,
    };
    if addresses.is_empty() {
        return Err(unknown());
    }
    let of = |family| addresses.iter().copied().find(|&ip| Family::of(ip) == family);
    match call.family {
        Some(family) => of(family).ok_or_else(|| CallError::NoAddress { host: call.host.clone(), family }),
        None => of(Family::Ipv4).or_else(|| of(Family::Ipv6)).ok_or_else(unknown),
    }
}

#[cfg(test)]
mod tests;
