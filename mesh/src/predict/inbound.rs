//! A connection at a sidecar: its listener, its filter chain, its filters.
//!
//! "Inbound" is Envoy's downstream side, for both directions of traffic.

use std::net::SocketAddr;

use envoy_api::{
    APPLICATION_PROTOCOLS, DownstreamTlsContext, FilterChain, Listener, ListenerFilterConfig, NetworkFilter,
    SetFilterState, TransportSocketConfig, UPSTREAM_SERVER_NAME,
};
use envoy_rules::{Connection, Match, Transport, disabled, outcome::Outcome};

use crate::{
    account::{Decision, Reason},
    compile::Resource,
    model::Source,
};

use super::{
    CallError,
    authorization::{self, Asks},
    place::{Arrival, Inside, Place, Shared},
    simulate::Simulation,
    tls::{Acceptor, Side},
    trace::{Log, Role},
    wire::{Reply, Sent},
};

/// The result of the inspectors.
struct Inspected<'a> {
    transport: Transport,
    server_name: &'a str,
    protocols: Vec<String>,
    /// Whether they wait for bytes that never come.
    waits: bool,
}

impl Simulation<'_> {
    /// A sidecar accepts a connection on one of its bound ports.
    pub(super) fn enter(
        &mut self,
        host: usize,
        port: u16,
        role: Role,
        arrival: Arrival,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let sidecar = self.world.sidecar(host)?;
        let Some(accepted_by) = sidecar.bound_to(port, None) else {
            self.trace.refuse(role.party(), Reason::ConnectionRefused);
            return Ok(Reply::Refused);
        };
        let index = sidecar.handed_to(accepted_by, arrival.destination);
        let listener = &sidecar.listeners[index];
        let why = sidecar.why(&Resource::Listener(listener.name.clone()));
        let otherwise = || match index == accepted_by {
            true => format!("it listens on port {port}"),
            false => format!("the original destination is {}", arrival.destination),
        };
        let because = why.map_or_else(otherwise, |why| why.because.clone());
        self.trace.step(role.party(), Decision::Listener, &listener.name, because, why.map(|why| &why.source));

        let inspected = inspect(listener, arrival.destination, sent);
        if self.trace.is_first(role) && !inspected.server_name.is_empty() {
            self.trace.requested_server_name = Some(inspected.server_name.to_owned());
        }
        if inspected.waits {
            let because = "an inspector waits for the client's first bytes, and the client waits for the server's";
            let source = Source::default_of("protocolDetectionTimeout: 0s");
            self.trace.step(role.party(), Decision::Inspector, "waits", because, Some(&source));
            self.trace.refuse(role.party(), Reason::Timeout);
            return Ok(Reply::Silence);
        }
        let connection = Connection {
            destination: arrival.destination,
            source: SocketAddr::new(arrival.source, 0),
            server_name: inspected.server_name,
            transport_protocol: inspected.transport,
            application_protocols: &inspected.protocols,
        };
        let (number, chain) = match sidecar.chains(index).find(&connection) {
            Match::Chain(number) => (Some(number), Some(&listener.filter_chains[number])),
            Match::Default => (None, listener.default_filter_chain.as_deref()),
            Match::None(stage) => {
                // What decided the port's chains decided this, too.
                let why = sidecar.why_of_port(listener, arrival.destination.port());
                let decided = why.map_or_else(String::new, |why| format!("; {}", why.because));
                let because =
                    format!("{}: no chain for this {stage}{decided}", inspected.describe(arrival.destination));
                self.trace.step(role.party(), Decision::FilterChain, "none", because, why.map(|why| &why.source));
                (None, None)
            }
        };
        let Some(chain) = chain else {
            self.trace.refuse(role.party(), Reason::NoFilterChainMatch);
            self.trace.log(role, Log::of_session(&Outcome::NoFilterChainMatch));
            // The peeked bytes are still unread, so the kernel answers the close with RST.
            return Ok(Reply::Reset);
        };
        let why = sidecar.why(&Resource::FilterChain { listener: listener.name.clone(), chain: number });
        let seen = inspected.describe(arrival.destination);
        let because = why.map_or_else(|| seen.clone(), |why| format!("{seen}; {}", why.because));
        let name = if chain.name.is_empty() { "(unnamed)" } else { &chain.name };
        self.trace.step(role.party(), Decision::FilterChain, name, because, why.map(|why| &why.source));
        self.take(Place { host, role, arrival, ended_tls: false }, chain, inspected.server_name, sent)
    }

    /// A chain handles a connection: first its transport socket, then its filters.
    fn take(&mut self, at: Place, chain: &FilterChain, server_name: &str, sent: &[Sent]) -> Result<Reply, CallError> {
        let plain = Inside { tls: None, server_name };
        let Some(context) = downstream_tls(chain) else { return self.filters(at, chain, plain, sent) };
        let acceptor = Acceptor::of(context, &self.world.sidecar(at.host)?.material);
        // Plaintext for a TLS socket, or a socket with a missing secret.
        let ([Sent::Tls(hello), inside @ ..], Ok(acceptor)) = (sent, acceptor) else {
            self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
            // A gateway has a line for each connection whose bytes it relays.
            if at.role == Role::Gateway && relays(chain) {
                self.trace.log(at.role, Log::plain());
            }
            return Ok(Reply::Closed);
        };
        let (session, broken) = acceptor.handshake(hello);
        let Some(broken) = broken else {
            let alpn = session.facts.alpn.clone();
            let peer = session.facts.client_identity.clone().unwrap_or_else(|| "a client without a certificate".into());
            let with = alpn.as_deref().map_or(String::new(), |alpn| format!(", ALPN {alpn}"));
            self.trace.step(at.role.party(), Decision::Tls, "terminated", format!("from {peer}{with}"), None);
            let of_session = Inside { tls: Some(&session.facts), server_name };
            let inner = self.filters(Place { ended_tls: true, ..at }, chain, of_session, inside)?;
            return Ok(Reply::Tunnel(session, Box::new(inner)));
        };
        let because = format!("{:?} aborted it: {}", broken.by, broken.why.alert()).to_lowercase();
        self.trace.step(at.role.party(), Decision::Tls, "handshake failed", because, None);
        // A TCP proxy connects upstream before the handshake is done, and has its line for the connection in any case. An HTTP
        // connection manager has lines for requests alone.
        if relays(chain) {
            self.filters(Place { ended_tls: true, ..at }, chain, plain, &[])?;
        }
        if broken.by == Side::Server {
            self.trace.refuse(at.role.party(), Reason::TlsHandshakeFailed);
        }
        Ok(Reply::Broken(session, broken))
    }

    fn filters(
        &mut self,
        at: Place,
        chain: &FilterChain,
        inside: Inside<'_>,
        sent: &[Sent],
    ) -> Result<Reply, CallError> {
        let mut shared = Shared::default();
        let mut rules: Vec<authorization::Rules<'_>> = vec![];
        for filter in &chain.filters {
            match &filter.typed_config {
                NetworkFilter::SetFilterState(state) => shared.set(state),
                NetworkFilter::Rbac(rbac) => rules.push([&rbac.rules, &rbac.shadow_rules]),
                NetworkFilter::TcpProxy(proxy) => {
                    // Nothing is decided before the first bytes.
                    let speaks = !matches!(sent, [] | [Sent::Nothing, ..]);
                    let asks = Asks { tls: inside.tls, server_name: inside.server_name, request: None };
                    let denied = if speaks { self.authorized(&at, &rules, &asks)? } else { None };
                    let Some(details) = denied else { return self.relay(at, proxy, &shared, sent) };
                    // By then it has connected to its app.
                    self.relay(at, proxy, &shared, &[])?;
                    self.denied_connection(at.role, &details);
                    return Ok(Reply::Closed);
                }
                NetworkFilter::HttpConnectionManager(manager) => return self.http(at, manager, inside, &shared, sent),
            }
        }
        // Without a terminal filter nothing reads the connection; Envoy rejects such a chain.
        Ok(Reply::Closed)
    }
}

impl Shared {
    fn set(&mut self, state: &SetFilterState) {
        for value in &state.on_new_connection {
            if value.shared_with_upstream.is_none_or(|shared| shared == envoy_api::SharedWithUpstream::None) {
                continue;
            }
            let Some(text) = value.format_string.text_format_source.as_ref() else { continue };
            match value.object_key.as_str() {
                APPLICATION_PROTOCOLS => {
                    self.alpn = Some(text.inline_string.split(',').map(|one| one.trim().to_owned()).collect());
                }
                UPSTREAM_SERVER_NAME => self.server_name = Some(text.inline_string.clone()),
                _ => {}
            }
        }
    }
}

/// Runs the listener's inspectors on the first bytes.
fn inspect<'a>(listener: &Listener, destination: SocketAddr, sent: &'a [Sent]) -> Inspected<'a> {
    let active = |is: fn(&ListenerFilterConfig) -> bool| {
        listener.listener_filters.iter().any(|filter| {
            is(&filter.typed_config)
                && !filter.filter_disabled.as_ref().is_some_and(|predicate| disabled(predicate, destination))
        })
    };
    let mut seen = Inspected { transport: Transport::RawBuffer, server_name: "", protocols: vec![], waits: false };
    let any = |config: &ListenerFilterConfig| {
        matches!(config, ListenerFilterConfig::TlsInspector(_) | ListenerFilterConfig::HttpInspector(_))
    };
    match sent.first() {
        Some(Sent::Tls(hello)) if active(|config| matches!(config, ListenerFilterConfig::TlsInspector(_))) => {
            seen.transport = Transport::Tls;
            seen.server_name = hello.server_name.as_deref().unwrap_or_default();
            seen.protocols.clone_from(&hello.alpn);
        }
        Some(Sent::Http(version, request))
            if active(|config| matches!(config, ListenerFilterConfig::HttpInspector(_))) =>
        {
            seen.protocols = vec![request.sniffed(*version).into()];
        }
        // With a timeout they give up, and the connection goes on as what nothing was seen of.
        Some(Sent::Nothing) => {
            let never = listener.listener_filters_timeout.as_ref().is_some_and(|timeout| timeout.0.is_zero());
            seen.waits = never && active(any);
        }
        _ => {}
    }
    seen
}

impl Inspected<'_> {
    fn describe(&self, destination: SocketAddr) -> String {
        let mut text = format!("destination {destination}, transport {}", self.transport);
        if !self.server_name.is_empty() {
            text += &format!(", SNI {}", self.server_name);
        }
        if !self.protocols.is_empty() {
            text += &format!(", application protocols {}", self.protocols.join(","));
        }
        text
    }
}

/// Whether a chain relays bytes.
fn relays(chain: &FilterChain) -> bool {
    chain.filters.iter().any(|filter| matches!(filter.typed_config, NetworkFilter::TcpProxy(_)))
}

fn downstream_tls(chain: &FilterChain) -> Option<&DownstreamTlsContext> {
    match &chain.transport_socket.as_ref()?.typed_config {
        TransportSocketConfig::DownstreamTls(context) => Some(context),
        TransportSocketConfig::UpstreamTls(_) | TransportSocketConfig::RawBuffer(_) => None,
    }
}
