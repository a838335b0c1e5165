//! `virtualInbound`: how connections to the pod are handled, by original destination port.

use std::{collections::BTreeSet, net::IpAddr};

use envoy_api::{CidrRange, CodecType, FilterChain, FilterChainMatch, Listener, ListenerFilter, TrafficDirection};

use super::{
    Compiler, PortClass, Resource, Terminal, Transport,
    chain_table::{self, Chain, PLAIN_HTTP},
    names,
    parts::{self, WILDCARDS},
    taken::Taken,
};
use crate::{
    flavor::{AppAddress, InboundCodec},
    model::{Decided, Family, MtlsMode, Source},
    sidecar::INBOUND_PORT,
};

/// The scope of one set of chains.
struct Target<'a> {
    /// The container port; `None` for all ports without separate chains.
    port: Option<u16>,
    /// What it is taken as; `None` for ports that nobody names.
    taken: Option<Taken<'a>>,
    /// The PeerAuthentication mode in force.
    mode: &'a Decided,
    /// The family of the connections, if it decides their cluster.
    family: Option<Family>,
    cluster: String,
}

impl<'a> Compiler<'a> {
    pub(super) fn virtual_inbound(&mut self) -> Listener {
        let mut chains = vec![self.black_hole()];
        for target in self.targets() {
            self.add_chains(&target, &mut chains);
        }
        let listener_filters = self.inbound_inspectors(&chains);
        Listener {
            traffic_direction: Some(TrafficDirection::Inbound),
            listener_filters,
            listener_filters_timeout: Some(self.detection_timeout()),
            continue_on_listener_filters_timeout: true,
            access_log: self.no_chain_log(),
            ..parts::listener(names::VIRTUAL_INBOUND, &WILDCARDS, INBOUND_PORT, chains)
        }
    }

    /// The scopes that get chains, in Istio's order: everything else, container ports that only PeerAuthentication names, and
    /// those that services send to.
    fn targets(&self) -> Vec<Target<'a>> {
        let pod = self.pod;
        let passthrough = |port, mode| Target {
            port,
            taken: None,
            mode,
            family: None,
            cluster: names::INBOUND_PASSTHROUGH_CLUSTER.into(),
        };
        let modes = &pod.peer_authentication;
        let taken = self.inbound_ports();
        let mut targets = vec![passthrough(None, &modes.workload)];
        let only_named = modes.ports.iter().filter(|(port, _)| !taken.contains_key(port));
        targets.extend(only_named.map(|(&port, mode)| passthrough(Some(port), mode)));
        for (port, taken) in taken {
            let has_one = taken.ingress.is_some_and(|ingress| ingress.default_endpoint.is_some());
            let target = |family, cluster| Target {
                port: Some(port),
                taken: Some(taken.clone()),
                mode: modes.on_port(port),
                family,
                cluster,
            };
            match self.decisions.app_address {
                AppAddress::Loopback if !has_one => targets.extend([
                    target(Some(Family::Ipv4), names::inbound_cluster(port)),
                    target(Some(Family::Ipv6), names::inbound_ipv6_cluster(port)),
                ]),
                _ => targets.push(target(None, names::inbound_cluster(port))),
            }
        }
        targets
    }

    fn add_chains(&mut self, target: &Target<'_>, chains: &mut Vec<FilterChain>) {
        let class = match &target.taken {
            Some(taken) => self.class(taken.port.protocol),
            None if self.decisions.detects_protocols => PortClass::Detected,
            None => PortClass::Tcp,
        };
        for chain in chain_table::chains(target.mode.mode, class, &self.decisions) {
            let index = Some(chains.len());
            let resource = Resource::FilterChain { listener: names::VIRTUAL_INBOUND.into(), chain: index };
            let because = format!("{}: {}", because(&chain, target.mode), what(target));
            self.because(resource, because, &target.mode.source);
            chains.push(self.chain(target, &chain));
        }
    }

    fn chain(&self, target: &Target<'_>, chain: &Chain) -> FilterChain {
        let filters = match chain.terminal {
            Terminal::Tcp => self.authorize_connections().into_iter().chain([self.relay(&target.cluster)]).collect(),
            Terminal::Http => {
                let stat_prefix = match target.port {
                    Some(port) if target.taken.is_some() => {
                        let bind = target.taken.as_ref().map_or(WILDCARDS[0], |taken| taken.bind);
                        format!("inbound_{}", names::listener(bind, port))
                    }
                    _ => target.cluster.clone(),
                };
                let routes = self.inbound_routes(&target.cluster, target.taken.as_ref());
                vec![self.inbound_http(stat_prefix, self.codec(target, chain), routes)]
            }
        };
        FilterChain {
            name: chain_name(target, chain),
            transport_socket: chain.terminates.then(|| self.server_tls(chain.terminal)),
            ..parts::chain(Some(chain_match(target, chain)), filters)
        }
    }

    /// Inside mTLS the textbook's single ALPN does not distinguish HTTP/2 from HTTP/1.1, and Envoy would guess wrong.
    fn codec(&self, target: &Target<'_>, chain: &Chain) -> CodecType {
        let by_name = self.decisions.inbound_codec == InboundCodec::PortName && chain.terminates;
        match &target.taken {
            Some(taken) if by_name && taken.port.protocol.is_http2() => CodecType::Http2,
            Some(_) if by_name => CodecType::Http1,
            _ => CodecType::Auto,
        }
    }

    /// Connections to the sidecar's own port would loop.
    fn black_hole(&mut self) -> FilterChain {
        let listener = names::VIRTUAL_INBOUND.into();
        let because = "dialled the sidecar itself: no redirect was involved";
        let source = Source::default_of("inbound port 15006");
        self.because(Resource::FilterChain { listener, chain: Some(0) }, because, &source);
        let to_itself = FilterChainMatch { destination_port: Some(INBOUND_PORT), ..FilterChainMatch::default() };
        FilterChain {
            name: "virtualInbound-blackhole".into(),
            ..parts::chain(Some(to_itself), vec![self.relay(names::BLACK_HOLE_CLUSTER)])
        }
    }

    /// Inspectors run only if a chain needs them: otherwise the port is left alone, so that TLS looks like any
    /// other bytes there (which is how a DISABLE port comes to pass it on), and a server that speaks first can.
    fn inbound_inspectors(&self, chains: &[FilterChain]) -> Vec<ListenerFilter> {
        let wants_tls = |m: &FilterChainMatch| m.transport_protocol == Transport::Tls.as_str();
        let wants_http =
            |m: &FilterChainMatch| m.application_protocols.iter().any(|p| PLAIN_HTTP.contains(&p.as_str()));
        let mut filters = vec![parts::original_dst()];
        if self.decisions.disable_refuses_tls {
            filters.push(parts::tls_inspector(None));
        } else if let Some(elsewhere) = where_wanted(chains, wants_tls) {
            filters.push(parts::tls_inspector(elsewhere));
        }
        if chains.iter().filter_map(|chain| chain.filter_chain_match.as_ref()).any(wants_http) {
            filters.push(parts::http_inspector(parts::on_ports(without(chains, wants_http))));
        }
        filters
    }
}

/// The ports none of whose chains wants an inspector. The chains of all other ports stand as port 0, which no connection
/// goes to: Istio leaves HTTP's inspector on there (`buildHTTPInspector` in `listener_inbound.go`).
fn without(chains: &[FilterChain], wants: impl Fn(&FilterChainMatch) -> bool) -> BTreeSet<u16> {
    let matches = || chains.iter().filter_map(|chain| chain.filter_chain_match.as_ref());
    let port = |m: &FilterChainMatch| m.destination_port.unwrap_or(0);
    let wanted: BTreeSet<u16> = matches().filter(|m| wants(m)).map(port).collect();
    matches().map(port).filter(|port| !wanted.contains(port)).collect()
}

/// Where an inspector is not wanted, if it is wanted at all.
#[allow(clippy::option_option)] // the outer says whether the filter is there, the inner is its own field
fn where_wanted(
    chains: &[FilterChain],
    wants: impl Fn(&FilterChainMatch) -> bool,
) -> Option<Option<envoy_api::ListenerFilterChainMatchPredicate>> {
    let matches = || chains.iter().filter_map(|chain| chain.filter_chain_match.as_ref());
    let ports: BTreeSet<Option<u16>> = matches().map(|m| m.destination_port).collect();
    let wanted: BTreeSet<_> = matches().filter(|m| wants(m)).map(|m| m.destination_port).collect();
    if wanted.is_empty() {
        return None;
    }
    let unwanted = || ports.difference(&wanted).flatten().copied();
    if wanted.contains(&None) {
        return Some(parts::on_ports(unwanted()));
    }
    let wanted = parts::on_ports(wanted.iter().flatten().copied());
    Some(wanted.map(|wanted| envoy_api::ListenerFilterChainMatchPredicate::NotMatch(Box::new(wanted))))
}

fn chain_name(target: &Target<'_>, chain: &Chain) -> String {
    match (&target.taken, target.port, chain.terminal) {
        (Some(taken), Some(port), _) => {
            let address = if target.family == Some(Family::Ipv6) { WILDCARDS[1] } else { taken.bind };
            names::listener(address, port)
        }
        (_, _, Terminal::Http) => "virtualInbound-catchall-http".into(),
        (_, _, Terminal::Tcp) => names::VIRTUAL_INBOUND.into(),
    }
}

fn chain_match(target: &Target<'_>, chain: &Chain) -> FilterChainMatch {
    let everything = |address: IpAddr| CidrRange { address_prefix: address, prefix_len: 0 };
    let prefix_ranges = target.family.map(|family| match family {
        Family::Ipv4 => everything(WILDCARDS[0]),
        Family::Ipv6 => everything(WILDCARDS[1]),
    });
    FilterChainMatch {
        destination_port: target.port,
        prefix_ranges: prefix_ranges.into_iter().collect(),
        transport_protocol: chain.transport.as_str().into(),
        application_protocols: chain.alpn.iter().map(|&alpn| alpn.into()).collect(),
        ..FilterChainMatch::default()
    }
}

/// The reason for a chain, in words.
fn because(chain: &Chain, mode: &Decided) -> String {
    let Decided { mode, by, .. } = mode;
    match (mode, chain.transport, chain.terminates) {
        (MtlsMode::Strict, ..) => format!("{by} says STRICT, only mTLS"),
        (MtlsMode::Permissive, _, true) => format!("{by} says PERMISSIVE, mTLS is marked by its ALPN"),
        (MtlsMode::Permissive, Transport::Tls, false) => format!("{by} says PERMISSIVE, other TLS is passed on"),
        (MtlsMode::Permissive, Transport::RawBuffer, _) => format!("{by} says PERMISSIVE, plaintext is accepted"),
        (MtlsMode::Disable, ..) => format!("{by} says DISABLE, no TLS is terminated"),
    }
}

/// The scope of a set of chains, in words.
fn what(target: &Target<'_>) -> String {
    match (&target.taken, target.port) {
        (Some(taken), Some(target)) => format!("container port {target}, {}", taken.because()),
        (_, Some(port)) => format!("container port {port}, which no service has"),
        (_, None) => "ports that no service has".into(),
    }
}
