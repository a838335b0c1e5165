//! The listeners of a gateway (`pilot/pkg/networking/core/gateway.go`): one for each address and port that servers of its Gateways
//! open. Unlike a sidecar's they are bound: callers connect to them.

mod auto_passthrough;
mod routes;
mod tcp;
mod tls;

use std::collections::BTreeSet;

use envoy_api::{Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, TrafficDirection};

use super::{
    Compiler, Resource,
    filters::seconds,
    names,
    parts::{WILDCARDS, chain, listener, tls_inspector},
};
use crate::model::{Merged, MergedPort, MergedServer, Protocol, ServerTlsMode, Source};

/// A filter chain, and why it is there.
struct MadeChain {
    chain: FilterChain,
    /// Whether it is for TLS, of whatever SNI.
    is_tls: bool,
    because: String,
    source: Source,
}

impl<'a> Compiler<'a> {
    /// A listener for each address and port. One without any chain is left out.
    pub(super) fn gateway_listeners(&mut self, merged: &Merged<'a>) -> Vec<Listener> {
        let mut made: Vec<(String, &MergedPort<'a>, Vec<MadeChain>)> = vec![];
        // SNI that routes of TLS have, which Envoy refuses twice on a port.
        let mut taken = BTreeSet::new();
        for port in &merged.ports {
            let name = names::listener(port.bind.unwrap_or(WILDCARDS[0]), port.port);
            let chains = self.chains_of_port(port, &name, &mut taken);
            match made.iter_mut().find(|(other, ..)| *other == name) {
                Some((.., existing)) => existing.extend(chains),
                None => made.push((name, port, chains)),
            }
        }
        let made = made.into_iter().filter(|(.., chains)| !chains.is_empty());
        made.map(|(name, port, chains)| self.gateway_listener(&name, port, chains)).collect()
    }

    fn gateway_listener(&mut self, name: &str, port: &MergedPort<'a>, chains: Vec<MadeChain>) -> Listener {
        if let Some(first) = port.servers.first() {
            let because = format!("{} opens port {}", first.gateway.full_name(), first.server.port);
            let because = match first.server.port == port.port {
                true => because,
                false => format!("{because}, which the gateway's Service sends to port {}", port.port),
            };
            self.because(Resource::Listener(name.into()), because, &first.server.source);
        }
        let addresses = port.bind.map_or_else(|| WILDCARDS.to_vec(), |bind| vec![bind]);
        let mut filter_chains = vec![];
        let listener_filters = inspectors(&chains);
        for (i, MadeChain { chain, because, source, .. }) in chains.into_iter().enumerate() {
            self.because(Resource::FilterChain { listener: name.into(), chain: Some(i) }, because, &source);
            filter_chains.push(FilterChain { transport_socket_connect_timeout: Some(seconds(15)), ..chain });
        }
        Listener {
            traffic_direction: Some(TrafficDirection::Outbound),
            listener_filters,
            access_log: self.no_chain_log(),
            ..listener(name, &addresses, port.port, filter_chains)
        }
    }

    /// `buildGatewayTCPBasedFilterChains`.
    fn chains_of_port(
        &mut self,
        port: &MergedPort<'a>,
        listener: &str,
        taken: &mut BTreeSet<(String, String)>,
    ) -> Vec<MadeChain> {
        let Some(first) = port.servers.first().filter(|_| port.protocol.is_http()) else {
            let servers = port.servers.iter();
            return servers.flat_map(|server| self.chains_of_server(server, listener, taken)).collect();
        };
        // Servers of HTTP share their routes.
        let filter = self.gateway_http(listener, &first.routes);
        let because = format!("port {} of {}: {}", first.server.port, first.gateway.full_name(), port.protocol);
        vec![MadeChain {
            chain: chain(None, vec![filter]),
            is_tls: false,
            because,
            source: first.server.source.clone(),
        }]
    }

    fn chains_of_server(
        &mut self,
        one: &MergedServer<'a>,
        listener: &str,
        taken: &mut BTreeSet<(String, String)>,
    ) -> Vec<MadeChain> {
        let server = one.server;
        if server.passes_tls() {
            return match server.mode() {
                Some(ServerTlsMode::AutoPassthrough) => self.auto_passthrough_chains(one),
                _ => self.passthrough_chains(one, listener, taken),
            };
        }
        let filters: Vec<Filter> = match server.terminates_https() {
            true => vec![self.gateway_http(listener, &one.routes)],
            false => self.gateway_tcp(one),
        };
        if filters.is_empty() {
            return vec![];
        }
        let mut chain = chain(sni_match(&server.sni_hosts()).filter(|_| server.tls.is_some()), filters);
        let mut because = format!("{} port {}", one.gateway.full_name(), server.port);
        if let Some(tls) = &server.tls {
            chain.transport_socket = Some(self.gateway_tls(server, tls));
            because += &format!(" says {} for {}", mode_name(tls.mode), server.sni_hosts().join(", "));
        } else {
            because += &format!(": {}", server.protocol);
        }
        vec![MadeChain { chain, is_tls: server.tls.is_some(), because, source: server.source.clone() }]
    }
}

/// Matches SNI; everything where all hosts are meant (`toFilterChainMatch` in `pilot/pkg/networking/core/listener.go`).
fn sni_match(hosts: &[String]) -> Option<FilterChainMatch> {
    if hosts.iter().any(|host| host == "*") {
        return None;
    }
    let mut server_names = hosts.to_vec();
    server_names.sort();
    Some(FilterChainMatch { server_names, ..FilterChainMatch::default() })
}

/// The SNI and the ALPN of handshakes are inspected, where a chain takes any SNI, too (`buildGatewayListener`).
fn inspectors(chains: &[MadeChain]) -> Vec<ListenerFilter> {
    if chains.iter().any(|made| made.is_tls) { vec![tls_inspector(None)] } else { vec![] }
}

pub(super) fn mode_name(mode: ServerTlsMode) -> &'static str {
    match mode {
        ServerTlsMode::Passthrough => "PASSTHROUGH",
        ServerTlsMode::Simple => "SIMPLE",
        ServerTlsMode::Mutual => "MUTUAL",
        ServerTlsMode::AutoPassthrough => "AUTO_PASSTHROUGH",
        ServerTlsMode::IstioMutual => "ISTIO_MUTUAL",
        ServerTlsMode::OptionalMutual => "OPTIONAL_MUTUAL",
    }
}

/// Whether a server relays bytes inside TLS that it terminates (`IsTCPServerWithTLSTermination`).
fn terminates_tcp(server: &crate::model::Server) -> bool {
    !server.passes_tls() && !server.protocol.is_http() && server.protocol != Protocol::Https
}
