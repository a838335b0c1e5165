//! Listeners for all addresses of a port, shared by services that their addresses do not distinguish.
//!
//! HTTP services are distinguished by the request's host. Hosts of ServiceEntries without an address are distinguished by SNI if
//! they speak TLS, by address ranges if they have any, and otherwise not at all
//! (`pilot/pkg/networking/core/listener.go`, `tls.go`).

use envoy_api::{CidrRange, FilterChain, FilterChainMatch, Listener};
use ipnet::IpNet;

use super::{
    Compiler, PortClass, Resource,
    chain_table::PLAIN_HTTP,
    names,
    parts::{WILDCARDS, chain, plain_http, tls_inspector, unbound},
    protocol_because,
};
use crate::model::{Entry, Service, ServicePort, Source};

/// The services that share a port at all addresses.
#[derive(Default)]
pub(super) struct Wildcard<'a> {
    /// The first service that speaks HTTP, or may.
    http: Option<&'a ServicePort>,
    /// Hosts whose protocol is not, or not certainly, HTTP.
    opaque: Vec<(&'a Service, &'a ServicePort)>,
}

/// A filter chain, and its reason.
struct Chain {
    chain: FilterChain,
    because: String,
    source: Source,
}

impl<'a> Wildcard<'a> {
    pub(super) fn add(&mut self, class: PortClass, service: &'a Service, port: &'a ServicePort) {
        if class != PortClass::Tcp {
            self.http.get_or_insert(port);
        }
        if class != PortClass::Http {
            self.opaque.push((service, port));
        }
    }
}

impl Entry {
    /// Whether connections to it can go to any address, or to one in a range.
    pub(super) fn needs_wildcard(&self, service: &Service) -> bool {
        service.vips.is_empty() || !self.ranges.is_empty()
    }
}

impl Compiler<'_> {
    /// The listener of a port at all addresses.
    pub(super) fn wildcard(&mut self, number: u16, wildcard: &Wildcard<'_>) -> Listener {
        let name = names::listener(WILDCARDS[0], number);
        let first = wildcard.http.or(wildcard.opaque.first().map(|(_, port)| *port));
        if let Some(port) = first {
            self.because(Resource::Listener(name.clone()), protocol_because(port), &port.protocol_source);
        }
        let inspects_tls = wildcard.opaque.iter().any(|(_, port)| port.protocol.is_tls());
        // There is no other chain for bytes that are not HTTP.
        let http_alone = wildcard.opaque.is_empty() && !self.decisions.http_ports_pass_other_bytes;
        let mut chains: Vec<Chain> = vec![];
        if let Some(port) = wildcard.http {
            let http = vec![self.outbound_http(&name, &number.to_string())];
            let (matches, because) = match http_alone {
                true => (None, protocol_because(port)),
                false => (Some(plain_http(PLAIN_HTTP)), "the bytes are HTTP in plaintext".into()),
            };
            chains.push(Chain { chain: chain(matches, http), because, source: port.protocol_source.clone() });
        }
        for (service, port) in &wildcard.opaque {
            let (matches, because) = distinguish(service, port);
            // Envoy rejects two chains with the same match: the older one stays.
            if chains.iter().all(|earlier| earlier.chain.filter_chain_match != matches) {
                let relay = vec![self.relay(&names::outbound_cluster(port.port, "", &service.host))];
                chains.push(Chain { chain: chain(matches, relay), because, source: service.source.clone() });
            }
        }
        let takes_all = chains.iter().position(|chain| chain.chain.filter_chain_match.is_none());
        let default = match takes_all {
            _ if chains.len() == 1 && takes_all.is_some() => None,
            Some(takes_all) => Some(chains.remove(takes_all)),
            None => Some(self.fall_through(wildcard.http.is_some())),
        };
        let mut listener = unbound(&WILDCARDS, number, vec![]);
        for (i, Chain { chain, because, source }) in chains.into_iter().enumerate() {
            self.because(Resource::FilterChain { listener: name.clone(), chain: Some(i) }, because, &source);
            listener.filter_chains.push(chain);
        }
        if let Some(Chain { chain, because, source }) = default {
            self.because(Resource::FilterChain { listener: name, chain: None }, because, &source);
            listener.default_filter_chain = Some(Box::new(chain));
        }
        if wildcard.http.is_some() && !http_alone {
            listener = self.detecting(listener);
        }
        if inspects_tls {
            listener.listener_filters.insert(0, tls_inspector(None));
            listener.continue_on_listener_filters_timeout = true;
        }
        listener
    }

    /// What matches nothing on the port is handled like any unknown destination.
    fn fall_through(&self, is_http: bool) -> Chain {
        let relay = vec![self.relay(self.unknown_destination())];
        let because = match is_http {
            true => "the bytes are not HTTP in plaintext",
            false => "neither its SNI (if it has one) nor its address belongs to a ServiceEntry of this port",
        };
        Chain {
            chain: FilterChain { name: "PassthroughFilterChain".into(), ..chain(None, relay) },
            because: because.into(),
            source: self.mesh.config.source.at("outboundTrafficPolicy.mode"),
        }
    }
}

/// How connections to a host are distinguished from others on its port.
fn distinguish(service: &Service, port: &ServicePort) -> (Option<FilterChainMatch>, String) {
    let ranges = service.entry.as_ref().map_or(&[][..], |entry| &entry.ranges);
    let prefix_ranges =
        ranges.iter().map(|range: &IpNet| CidrRange { address_prefix: range.addr(), prefix_len: range.prefix_len() });
    let server_names = if port.protocol.is_tls() { vec![service.host.clone()] } else { vec![] };
    let because = match (server_names.is_empty(), ranges.is_empty()) {
        (false, _) => format!("SNI {}", service.host),
        (true, false) => format!("the address is in a range of {}", service.host),
        (true, true) => format!("{} matches every address of port {}", service.host, port.port),
    };
    let matches =
        FilterChainMatch { prefix_ranges: prefix_ranges.collect(), server_names, ..FilterChainMatch::default() };
    ((matches != FilterChainMatch::default()).then_some(matches), because)
}
