//! Follows a call from the calling app to the called one and back.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use crate::{
    account::{AppGets, Decision, Interface, LegEnd, LegNumber, LegPath, Party, Reason},
    model::{Family, Source},
    redirect::Verdict,
    sidecar::OUTBOUND_PORT,
};

use super::{
    answer,
    app::{AppTls, ServerApp},
    call::CallError,
    capture::{self, Opener},
    certificate::Certificate,
    place::{Arrival, Place},
    trace::{NewLeg, Role, Trace},
    ways::Picks,
    wire::{Reply, Sent},
    world::World,
};

/// A simulation of one call.
pub(super) struct Simulation<'a> {
    pub(super) world: &'a World<'a>,
    /// What the called app is, and its TLS, by pod (none: outside of the mesh) and port.
    pub(super) server_app: &'a dyn Fn(Option<usize>, u16) -> (ServerApp, AppTls),
    /// The subset of a DestinationRule that the client's sidecar sends to.
    pub(super) subset: Option<&'a str>,
    /// Which of several endpoints are taken.
    pub(super) picks: Picks,
    pub(super) trace: Trace,
}

/// The initiator of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialler<'a> {
    pub(super) host: usize,
    /// The sidecar, or the app if `None`.
    pub(super) sidecar: Option<Role>,
    /// The address that its socket is bound to, if any.
    pub(super) bound_to: Option<IpAddr>,
    /// The addresses that it may dial, if it has a choice.
    pub(super) may_dial: &'a [SocketAddr],
}

impl Dialler<'_> {
    /// The app of a pod.
    fn app(host: usize) -> Self {
        Self { host, sidecar: None, bound_to: None, may_dial: &[] }
    }

    fn end(self) -> LegEnd {
        match self.sidecar {
            Some(Role::Gateway) => LegEnd::Gateway,
            Some(Role::Client | Role::Server) => LegEnd::Sidecar,
            None => LegEnd::App,
        }
    }
}

impl Simulation<'_> {
    /// The app of a pod calls an address.
    pub(super) fn call(&mut self, from: usize, destination: SocketAddr, sent: &[Sent]) -> Result<Reply, CallError> {
        let host = &self.world.hosts[from];
        let on_lo = host.ips.contains(&destination.ip()) || destination.ip().is_loopback();
        let Some(capture) = &host.capture else {
            let (because, source) = &host.injection;
            let because = format!("the pod has no sidecar: {because}");
            self.trace.step(Party::ClientApp, Decision::Redirect, "not captured", because, Some(source));
            return self.dial(Dialler::app(from), destination, sent);
        };
        let opener = if host.app_runs_as_sidecar { Opener::Sidecar } else { Opener::App };
        let verdict = capture::outbound(capture, opener, None, destination, on_lo);
        self.redirected(Party::ClientApp, from, verdict);
        let Some(port) = verdict.redirected_to else {
            return self.dial(Dialler::app(from), destination, sent);
        };
        let Some(source) = self.own_ip(from, destination) else { return Ok(Reply::Unreachable) };
        debug_assert_eq!(port, OUTBOUND_PORT, "an app's connections go out");
        let leg = self.trace.begin(NewLeg {
            number: LegNumber::ToSidecar,
            path: LegPath::AppToSidecar,
            interface: Interface::Lo,
            source,
            dials: destination,
            may_dial: &[],
            redirected_to: Some(port),
        });
        let reply = self.enter(from, port, Role::Client, Arrival { destination, source }, sent)?;
        self.trace.end(leg, sent, &reply);
        Ok(reply)
    }

    /// Opens a connection from a pod that is not captured any more.
    pub(super) fn dial(
        &mut self,
        who: Dialler<'_>,
        destination: SocketAddr,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let host = &self.world.hosts[who.host];
        if host.ips.contains(&destination.ip()) || destination.ip().is_loopback() {
            return self.dial_own_pod(who, destination, sent);
        }
        let Some(source) = who.bound_to.or_else(|| self.own_ip(who.host, destination)) else {
            return Ok(Reply::Unreachable);
        };
        let Some(reached) = self.translate(destination) else {
            self.trace.refuse(Party::Node, Reason::ConnectionRefused);
            return Ok(Reply::Refused);
        };
        let target = self.world.host_at(reached.ip());
        let to_gateway = target.is_some_and(|target| self.world.hosts[target].is_gateway);
        let captured = target
            .filter(|_| !to_gateway)
            .and_then(|target| Some((target, self.world.hosts[target].capture.as_ref()?)));
        let verdict = captured.map(|(target, capture)| (target, capture::inbound(capture, reached)));
        if let Some((target, verdict)) = verdict {
            self.redirected(Party::ServerSidecar, target, verdict);
        }
        let inbound = verdict.and_then(|(target, verdict)| Some((target, verdict.redirected_to?)));
        let leg = self.trace.begin(NewLeg {
            number: if who.sidecar == Some(Role::Gateway) { LegNumber::FromGateway } else { LegNumber::BetweenPods },
            path: LegPath::between(
                who.end(),
                if to_gateway { LegEnd::Gateway } else { LegEnd::of_pod(inbound.is_some()) },
            ),
            interface: Interface::Eth0,
            source,
            dials: destination,
            may_dial: who.may_dial,
            redirected_to: None,
        });
        let reply = match inbound {
            Some((target, port)) => {
                self.trace.callee = Some((target, reached.port()));
                self.enter(target, port, Role::Server, Arrival { destination: reached, source }, sent)?
            }
            None => self.reach(target, Arrival { destination: reached, source }, sent)?,
        };
        self.trace.end(leg, sent, &reply);
        Ok(reply)
    }

    /// A connection that stays in the pod: to its own app, or from its sidecar to itself.
    fn dial_own_pod(&mut self, who: Dialler<'_>, destination: SocketAddr, sent: &[Sent]) -> Result<Reply, CallError> {
        let host = &self.world.hosts[who.host];
        // By default the kernel uses the called address as the source.
        let source = who.bound_to.unwrap_or(destination.ip());
        let verdict = match (&host.capture, who.sidecar) {
            (Some(capture), Some(_)) => {
                capture::outbound(capture, Opener::Sidecar, who.bound_to, destination, true).redirected_to
            }
            _ => None,
        };
        let to_own_app = who.sidecar == Some(Role::Server);
        let leg = self.trace.begin(NewLeg {
            number: if to_own_app { LegNumber::ToApp } else { LegNumber::BetweenPods },
            path: LegPath::between(who.end(), LegEnd::of_pod(verdict.is_some())),
            interface: Interface::Lo,
            source,
            dials: destination,
            may_dial: who.may_dial,
            redirected_to: verdict,
        });
        let reply = match verdict {
            Some(port) if !to_own_app => {
                self.trace.callee = Some((who.host, destination.port()));
                self.enter(who.host, port, Role::Server, Arrival { destination, source }, sent)?
            }
            // The last leg would loop forever.
            Some(_) => Reply::Silence,
            None => self.reach(Some(who.host), Arrival { destination, source }, sent)?,
        };
        self.trace.end(leg, sent, &reply);
        Ok(reply)
    }

    /// Delivers a connection that is not captured to its listener: the app, or the sidecar on one of the sidecar's ports. `host` is
    /// `None` outside the mesh.
    fn reach(&mut self, host: Option<usize>, arrival: Arrival, sent: &[Sent]) -> Result<Reply, CallError> {
        let destination = arrival.destination;
        if let Some(host) = host {
            self.trace.callee = Some((host, destination.port()));
            let has_sidecar = self.world.hosts[host].capture.is_some();
            let is_gateway = self.world.hosts[host].is_gateway;
            if has_sidecar && self.world.sidecar(host)?.bound_to(destination.port(), Some(destination.ip())).is_some() {
                let role = if is_gateway { Role::Gateway } else { Role::Server };
                return self.enter(host, destination.port(), role, arrival, sent);
            }
            if is_gateway {
                let (because, source) = self.world.not_listening(host, destination);
                self.trace.step(Party::Gateway, Decision::Listener, "none", because, Some(&source));
                self.trace.refuse(Party::Gateway, Reason::ConnectionRefused);
                return Ok(Reply::Refused);
            }
        }
        let (server, mut tls) = (self.server_app)(host, destination.port());
        let machine = host.is_none().then(|| self.world.machine(destination.ip())).flatten();
        let (because, source) = match (host, machine) {
            (Some(host), _) => (server.to_string(), Some(&self.world.hosts[host].source)),
            (None, Some((identity, endpoint))) => {
                tls.certificate = Certificate::of_mesh(&identity);
                let because = "assumed to be a machine whose sidecar takes mTLS, as its serviceAccount or label says";
                (because.into(), Some(&endpoint.source))
            }
            (None, None) => {
                ("no manifest has this address: assumed to be an app that speaks what it is sent".into(), None)
            }
        };
        self.trace.step(Party::ServerApp, Decision::App, destination.to_string(), because, source);
        let answered = answer::answer(server, &tls, destination.ip(), sent);
        if let Some(reason) = answered.refusal {
            self.trace.refuse(Party::ServerApp, reason);
        }
        self.trace.reached_app |= answered.understood;
        self.trace.delay = answered.delay;
        self.trace.grpc_status = answered.grpc_status.or(self.trace.grpc_status);
        if let Some(Sent::Http(_, request)) = sent.last().filter(|_| answered.understood) {
            self.trace.app_gets = Some(AppGets {
                method: request.method.to_string(),
                path: request.path.clone(),
                authority: request.authority.clone(),
            });
        }
        Ok(answered.reply)
    }

    /// The party upstream of a sidecar.
    pub(super) fn upstream_of(&self, at: Place) -> Party {
        let leg2 = self.trace.leg(LegNumber::BetweenPods);
        match at.role {
            Role::Client if leg2.is_some_and(|leg| leg.path.reaches_gateway()) => Party::Gateway,
            Role::Client | Role::Gateway if self.trace.reached_sidecar() => Party::ServerSidecar,
            Role::Client | Role::Gateway | Role::Server => Party::ServerApp,
        }
    }

    /// Translates a service's virtual address as kube-proxy does; `None` refuses.
    fn translate(&mut self, destination: SocketAddr) -> Option<SocketAddr> {
        if let Some((called, reached)) = self.world.alias.filter(|(called, _)| *called == destination) {
            let because = format!("an endpoint of the service at {called}");
            self.trace.step(Party::Node, Decision::Service, reached.to_string(), because, None);
            return Some(reached);
        }
        let Some(service) = self.world.service_at(destination.ip()) else { return Some(destination) };
        let port = service.ports.iter().find(|port| port.port == destination.port());
        let Some(port) = port else {
            let because = format!("service {} has no port {}", service.name, destination.port());
            self.trace.step(Party::Node, Decision::Service, "refused", because, Some(&service.source));
            return None;
        };
        let pods: Vec<_> = port.endpoints.iter().map(|endpoint| Some(endpoint.pod)).collect();
        let Some(picked) = self.pick(&pods) else {
            let because = format!("service {} has no endpoint", service.name);
            self.trace.step(
                Party::Node,
                Decision::Service,
                "refused",
                because,
                Some(&service.source.at("spec.selector")),
            );
            return None;
        };
        let endpoint = &port.endpoints[picked];
        let ip = self.world.hosts[endpoint.pod].ip(Family::of(destination.ip()))?;
        let reached = SocketAddr::new(ip, endpoint.port);
        let because = match port.endpoints.len() {
            1 => format!("the only endpoint of service {}", service.name),
            n => format!("one of {n} endpoints of service {}: the node takes any", service.name),
        };
        self.trace.step(Party::Node, Decision::Service, reached.to_string(), because, Some(&service.source));
        Some(reached)
    }

    /// One of several endpoints, which are these pods; nothing of none. Of very many, those of one workload stand for each other.
    pub(super) fn pick(&mut self, pods: &[Option<usize>]) -> Option<usize> {
        const EACH: usize = 16;
        let mut kinds = BTreeSet::new();
        let kind = |pod: &Option<usize>| pod.map(|pod| self.world.hosts[pod].kind.clone());
        let open: Vec<usize> = match pods.len() {
            0..=EACH => (0..pods.len()).collect(),
            _ => (0..pods.len()).filter(|&i| kinds.insert(kind(&pods[i]))).collect(),
        };
        match open.len() {
            0 => None,
            1 => Some(open[0]),
            among => open.get(self.picks.pick(among)).copied(),
        }
    }

    /// Notes what the redirect rules of a pod do.
    fn redirected(&mut self, at: Party, host: usize, verdict: Verdict) {
        let choice = verdict.redirected_to.map_or_else(|| "not captured".to_owned(), |port| port.to_string());
        let source = match verdict.why.annotation {
            Some(name) => self.world.hosts[host].source.at(format!("metadata.annotations[{name}]")),
            None => Source::default_of("Istio's redirect rules"),
        };
        self.trace.step(at, Decision::Redirect, choice, verdict.why.words, Some(&source));
    }

    fn own_ip(&self, host: usize, destination: SocketAddr) -> Option<IpAddr> {
        self.world.hosts[host].ip(Family::of(destination.ip()))
    }
}
