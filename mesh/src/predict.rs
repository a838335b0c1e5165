//! What will become of a call, said beforehand.
//!
//! The configurations of both sidecars are compiled and *simulated*: redirect rules, listeners, filter chains
//! (`envoy-rules`, which the data plane runs too), routes, clusters, handshakes, as Envoy goes through them. So a
//! prediction follows from what the data planes are given, and names the policy behind each decision.

use std::net::{IpAddr, SocketAddr};

use envoy_rules::BuildError;
use thiserror::Error;

use crate::{
    account::{Account, AppProtocol, AppSees, Callee, Caller, Outcome, Party, Reason, SCHEMA},
    model::{Family, Flavor, Mesh, Pod, Unmodelled},
};

mod app;
mod capture;
mod certificate;
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
pub use dumps::predict_dumps;

use certificate::{Authority, Certificate};
use simulate::Simulation;
use trace::{Log, Trace};
use wire::{Reply, Sent};
use world::World;

/// A call to predict.
#[derive(Clone, Debug)]
pub struct Call {
    /// The calling pod, an index of [`pods`](crate::model::Resolved::pods).
    pub from: usize,
    /// What it calls: a name as it would resolve it, or an address.
    pub host: String,
    /// The port that it calls.
    pub port: u16,
    /// What it sends.
    pub app: AppProtocol,
    /// Whether it waits for the server to speak first; only raw bytes can.
    pub server_first: bool,
    /// Which of a name's addresses it takes; IPv4 where there is one if unset.
    pub family: Option<Family>,
    /// What the called app is; what its manifest tells ([`ServerApp::of`]) if unset.
    pub server_app: Option<ServerApp>,
    /// The subset of a DestinationRule that it is sent to, as a route might do it.
    pub subset: Option<String>,
    /// The webhook that it asks as an API server does, an index of [`webhooks`](crate::model::Resolved::webhooks).
    pub webhook: Option<usize>,
}

/// Why a call can't be predicted.
#[derive(Debug, Error)]
pub enum CallError {
    /// The name is no service's, and no host's outside of the cluster.
    #[error(
        "{host}: no service of this name as pod {pod} resolves it, and no host outside of the cluster \
         (sidelab.io/external-host); {}",
        meant.as_ref().map_or_else(
            || "give the name of one, or an address".to_owned(),
            |meant| format!("did you mean {meant}?")
        )
    )]
    UnknownHost {
        /// The name.
        host: String,
        /// The calling pod.
        pod: String,
        /// What may be meant.
        meant: Option<String>,
    },
    /// The name has no address of the family that was asked for.
    #[error("{host} has no {family} address")]
    NoAddress {
        /// The name.
        host: String,
        /// The family.
        family: Family,
    },
    /// A compiled listener is one that Envoy refuses.
    #[error("{pod}: listener {listener}: {error}")]
    Refused {
        /// The pod.
        pod: String,
        /// The listener.
        listener: String,
        /// Why.
        error: Box<BuildError>,
    },
    /// The call asks for a subset that no DestinationRule has.
    #[error("no DestinationRule for {host} has a subset {subset:?}")]
    NoSubset {
        /// The service.
        host: String,
        /// The subset.
        subset: String,
    },
    /// The call came to a cluster or route configuration of a dump that could not be read.
    #[error("the call comes to {resource}, which could not be read from the dump: {reason}")]
    Unread {
        /// Its name.
        resource: String,
        /// Why.
        reason: String,
    },
    /// The call is of a pod, or comes to one, whose part in the mesh is not modelled.
    #[error("{pod} {what}: the call cannot be predicted")]
    NotModelled {
        /// The pod.
        pod: String,
        /// What it is.
        what: Unmodelled,
    },
    /// The call came to a sidecar of which nothing is known.
    #[error("{pod}: its sidecar's configuration is not known")]
    NoSidecar {
        /// The pod.
        pod: String,
    },
}

/// Predicts a call.
///
/// # Errors
/// When the host has no address, or a sidecar's configuration is one that Envoy refuses.
///
/// # Panics
/// When `call.from` is no index of [`pods`](crate::model::Resolved::pods), or `call.webhook` none of [`webhooks`](crate::model::Resolved::webhooks).
pub fn predict(mesh: &Mesh, call: &Call) -> Result<Account, CallError> {
    let pod = &mesh.pods[call.from];
    modelled(pod)?;
    let address = address(mesh, call)?;
    let webhook = call.webhook.map(|index| &mesh.webhooks[index]);
    let check = webhook.map_or_else(|| app::trust(pod, &call.host), |webhook| webhook::check(webhook, pod));
    let path = webhook.map_or("/", |webhook| webhook.place.path());
    let sent = app::sends(call, path, check);
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
    let mut account = account(mesh.flavor, from, to, call.app, &sent, &reply, trace);
    account.outcome.admission = webhook.and_then(|webhook| {
        let told = || callee.map(|(pod, port)| ServerApp::of(&mesh.pods[pod], port));
        let server = call.server_app.or_else(told).unwrap_or_default();
        webhook::admission(webhook, account.outcome.delivered, server.speaks)
    });
    Ok(account)
}

fn modelled(pod: &Pod) -> Result<(), CallError> {
    match pod.unmodelled {
        Some((what, _)) => Err(CallError::NotModelled { pod: pod.name.to_string(), what }),
        None => Ok(()),
    }
}

/// Whether a pod's redirects take connections to one of its ports to its sidecar.
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
        // A pod knows its own name.
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

/// Puts the account of a simulated call together.
fn account(
    mesh: Flavor,
    from: Caller,
    to: Callee,
    app_sends: AppProtocol,
    sent: &[Sent],
    reply: &Reply,
    trace: Trace,
) -> Account {
    let (status, app_sees) = app::sees(sent, reply);
    let answered = app_sees == AppSees::Echo || status.is_some_and(|status| status < 400);
    let delivered = answered && trace.reached_app;
    // A call that failed and that nobody refused was given up by the calling app.
    let given_up = match reply {
        Reply::Silence => Reason::Timeout,
        Reply::Response(..) | Reply::Echo | Reply::Alert | Reply::Broken(..) if matches!(sent, [Sent::Tls(_), ..]) => {
            Reason::TlsHandshakeFailed
        }
        Reply::Response(..) | Reply::Echo | Reply::Alert | Reply::Broken(..) | Reply::Tunnel(..) => {
            Reason::ProtocolError
        }
        Reply::Refused | Reply::Unreachable => Reason::ConnectionRefused,
        Reply::Reset | Reply::Closed => Reason::ConnectionTerminated,
    };
    let refusal = (!delivered).then(|| trace.refusal.unwrap_or((Party::ClientApp, given_up)));
    let [client_log, server_log] = trace.logs;
    let log = match refusal {
        Some((Party::ServerSidecar, _)) => server_log.or(client_log),
        _ => client_log.or(server_log),
    };
    let log = log.unwrap_or_else(Log::plain);
    Account {
        schema: SCHEMA.into(),
        mesh,
        from,
        to,
        app_sends,
        legs: trace.legs,
        read_by: trace.read_by,
        steps: trace.steps,
        outcome: Outcome {
            delivered,
            at: refusal.map(|(party, _)| party),
            reason: refusal.map(|(_, reason)| reason),
            response_flags: log.flags.into(),
            details: log.details.into(),
            requested_server_name: trace.requested_server_name.into(),
            status,
            admission: None,
            app_sees,
        },
    }
}

#[cfg(test)]
mod tests;
