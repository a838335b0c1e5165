//! Outbound listeners: how the app's connections are handled, by original destination.
//!
//! iptables sends them all to `virtualOutbound`, which hands each on to the listener of its original destination
//! (none of those is bound), or handles it itself if there is none.

use std::{collections::BTreeSet, net::IpAddr};

use envoy_api::{CidrRange, FilterChain, FilterChainMatch, Listener};
use ipnet::IpNet;

use super::{
    Compiler, PortClass, Resource, Transport,
    chain_table::PLAIN_HTTP,
    destination::Destination,
    filters, names,
    parts::{WILDCARDS, chain, http_inspector, on_ports, original_dst, plain_http, tls_inspector, unbound},
    protocol_because,
    scope::Listener as Known,
    shared::{Shared, SharedChain, SharedListener},
    tls::{OFFER_HTTP1, OFFER_HTTP2},
};
use crate::{
    model::{Family, OutboundTrafficPolicy, Protocol, Resolution, Service, ServicePort, Source},
    sidecar::{HEALTH_PORT, INBOUND_PORT, OUTBOUND_PORT, PROMETHEUS_PORT},
};

/// Where a service's port has a listener.
struct Place {
    /// Its addresses, the first of which names it.
    addresses: Vec<IpAddr>,
    /// The range of addresses that tells the service apart there.
    range: Option<IpNet>,
}

impl Place {
    fn at(addresses: impl Into<Vec<IpAddr>>) -> Self {
        Self { addresses: addresses.into(), range: None }
    }

    fn is_everywhere(&self) -> bool {
        self.addresses[0].is_unspecified()
    }
}

/// Ports at which the sidecar itself is met: nothing else listens there at all addresses (`conflictWithReservedListener` in
/// `pilot/pkg/model/context.go`).
const RESERVED: [u16; 4] = [OUTBOUND_PORT, INBOUND_PORT, HEALTH_PORT, PROMETHEUS_PORT];

impl<'a> Compiler<'a> {
    /// One listener for each port that services share at all addresses, one for each other address and port of services, and
    /// `virtualOutbound`.
    pub(super) fn outbound_listeners(&mut self) -> Vec<Listener> {
        let mut shared = Shared::default();
        for known in self.known.listeners() {
            if known.port().is_none() {
                shared.close();
            }
            for &(service, port) in &known.ports {
                // On a port of the Sidecar's own its protocol counts.
                let destination = self.destination(service, known.port().unwrap_or(port));
                for place in self.places(&known, destination) {
                    let chains = self.chains_at(&known, &place, destination);
                    shared.add(&place.addresses, destination.port, self.client_class(destination), chains);
                }
            }
        }
        let mut listeners: Vec<_> = shared.into_listeners().into_iter().map(|made| self.listener_of(made)).collect();
        listeners.push(self.virtual_outbound());
        listeners
    }

    /// Where a service's port is met: HTTP at all addresses; else at its virtual addresses, or at each address of each of its pods when
    /// it has none (`GetAddressForProxy`; a headless service's endpoints have one address each). To its own first address a pod talks
    /// without its sidecar. Each address of a ServiceEntry is a separate place.
    ///
    /// A Sidecar can name the address, and does not list pods where it names the port. UDP is never captured.
    fn places(&self, known: &Known<'a>, destination: Destination<'a>) -> Vec<Place> {
        let Destination { service, port, .. } = destination;
        if port.protocol == Protocol::Udp || port.protocol == Protocol::HttpProxy && known.port().is_some() {
            return vec![];
        }
        if let Some(bind) = known.egress.and_then(|egress| egress.bind) {
            let is_free = bind != WILDCARDS[0] || !RESERVED.contains(&port.port);
            return if is_free { vec![Place::at([bind])] } else { vec![] };
        }
        if self.client_class(destination) == PortClass::Http {
            return if RESERVED.contains(&port.port) { vec![] } else { vec![Place::at(WILDCARDS)] };
        }
        let own = IpAddr::from(self.pod.ips.v4);
        let Some(entry) = &service.entry else {
            if !service.is_headless() {
                return vec![Place::at(service.vips.clone())];
            }
            if known.port().is_some() {
                return vec![Place::at([WILDCARDS[0]])];
            }
            let of_pods = port.endpoints.iter().flat_map(|endpoint| self.mesh.pods[endpoint.pod].addresses());
            let of_service = |ip: &IpAddr| *ip != own && service.families.contains(&Family::of(*ip));
            return of_pods.filter(of_service).map(|ip| Place::at([ip])).collect();
        };
        let single = service.vips.iter().map(|vip| Place::at([*vip]));
        let ranges = entry.ranges.iter().map(|range| Place { range: Some(*range), ..Place::at(WILDCARDS) });
        let places: Vec<_> = single.chain(ranges).collect();
        if !places.is_empty() {
            return places;
        }
        // Another entry of the host may list what this one does not resolve.
        let lists_pods = entry.resolution == Resolution::None && known.port().is_none();
        let listed = if lists_pods { destination.targets(self.mesh, &self.entries) } else { vec![] };
        // What selects, and selects nothing yet, takes no other connections.
        if lists_pods && listed.is_empty() && service.selector.is_some() && !port.protocol.is_http() {
            return vec![];
        }
        // A pod that is selected has both its addresses.
        let pods = || self.mesh.pods.iter().filter(|_| service.selector.is_some());
        let addresses =
            |ip| pods().find(|pod| pod.ips.contains(ip)).map_or_else(|| vec![ip], |pod| pod.ips.both().into());
        match listed.is_empty() {
            true => vec![Place::at(WILDCARDS)],
            // No connection goes to a name.
            false => {
                let ips = listed.into_iter().filter_map(|target| target.host.parse().ok()).filter(|ip| *ip != own);
                ips.map(|ip| Place::at(addresses(ip))).collect()
            }
        }
    }

    /// What a service's port brings to a listener.
    fn chains_at(&self, known: &Known<'a>, place: &Place, destination: Destination<'a>) -> Vec<SharedChain> {
        let Destination { service, port, .. } = destination;
        let tcp = vec![filters::relay(self.tcp_proxy(&destination.cluster_name(), destination.rule, ""))];
        if let Some((by, source)) = destination.passthrough {
            let because = format!("{by} is annotated PASSTHROUGH: TLS is routed by its SNI");
            let chain = chain(Some(self.tls_for(service)), tcp);
            return vec![SharedChain { chain, because, source: source.clone() }];
        }
        let class = self.class(port.protocol);
        let listener = names::listener(place.addresses[0], port.port);
        let mut chains = vec![];
        let mut add = |matches, filters, because: String| {
            chains.push(SharedChain { chain: chain(matches, filters), because, source: port.protocol_source.clone() });
        };
        match class {
            PortClass::Tcp => {}
            // At a dedicated address everything is HTTP.
            PortClass::Http if !place.is_everywhere() => {
                add(None, vec![self.outbound_http(&listener, &port.port.to_string())], protocol_because(port));
            }
            _ if place.is_everywhere() => {
                let http = vec![self.outbound_http(&listener, &port.port.to_string())];
                add(Some(plain_http(PLAIN_HTTP)), http, "the bytes are HTTP in plaintext".into());
            }
            _ => {
                let http = self.outbound_http(&listener, &names::detected_routes(port.port, &service.host));
                if destination.has_own_tls() {
                    add(Some(plain_http(PLAIN_HTTP)), vec![http], "the bytes are HTTP in plaintext".into());
                } else {
                    // One chain for each version: what the upstream handshake offers depends on it, and stock Envoy can be
                    // known only for a whole connection.
                    for (seen, version, alpn) in [("http/1.1", "HTTP/1.1", OFFER_HTTP1), ("h2c", "HTTP/2", OFFER_HTTP2)]
                    {
                        let because = format!("the bytes are {version} in plaintext");
                        add(Some(plain_http(&[seen])), vec![filters::offer(alpn), http.clone()], because);
                    }
                }
            }
        }
        if class != PortClass::Http && port.protocol.is_tls() {
            let routed = self.tls_routes(known, service, port, place.range);
            if !routed.is_empty() {
                return routed;
            }
        } else if class != PortClass::Http {
            let (routed, takes_all) = self.tcp_routes(known, service, port, place.range);
            chains.extend(routed);
            if takes_all {
                return chains;
            }
        }
        if class != PortClass::Http {
            let (matches, because) = self.told_apart_by(place, service, port);
            let because = match class {
                PortClass::Detected if matches.is_none() => "the bytes are not HTTP in plaintext".into(),
                _ => because,
            };
            let source = if place.is_everywhere() { &service.source } else { &port.protocol_source };
            chains.push(SharedChain { chain: chain(matches, tcp), because, source: source.clone() });
        }
        chains
    }

    /// What distinguishes connections to a service from others of its listener.
    fn told_apart_by(
        &self,
        place: &Place,
        service: &Service,
        port: &ServicePort,
    ) -> (Option<FilterChainMatch>, String) {
        if !place.is_everywhere() {
            return (None, protocol_because(port));
        }
        let prefix_ranges =
            place.range.iter().map(|range| CidrRange { address_prefix: range.addr(), prefix_len: range.prefix_len() });
        let server_names = if port.protocol.is_tls() { self.server_names_of(service) } else { vec![] };
        let because = match (server_names.is_empty(), place.range) {
            (false, _) => format!("SNI {}", service.host),
            (true, Some(_)) => format!("the address is in a range of {}", service.host),
            (true, None) => format!("{} takes every address of port {}", service.host, port.port),
        };
        let matches =
            FilterChainMatch { prefix_ranges: prefix_ranges.collect(), server_names, ..FilterChainMatch::default() };
        ((matches != FilterChainMatch::default()).then_some(matches), because)
    }

    /// A listener with the chains of all that share it. A chain that takes everything comes last.
    fn listener_of(&mut self, made: SharedListener<'_>) -> Listener {
        let SharedListener { addresses, port, mut chains, .. } = made;
        let name = names::listener(addresses[0], port.port);
        self.because(Resource::Listener(name.clone()), protocol_because(port), &port.protocol_source);
        let matches = |chain: &SharedChain, wanted: fn(&FilterChainMatch) -> bool| {
            chain.chain.filter_chain_match.as_ref().is_some_and(wanted)
        };
        let mut looks_for_http = chains.iter().any(|chain| matches(chain, |m| !m.application_protocols.is_empty()));
        let looks_for_sni = chains.iter().any(|chain| matches(chain, |m| !m.server_names.is_empty()));
        let by_sni_alone =
            chains.iter().all(|chain| matches(chain, |m| !m.transport_protocol.is_empty())) && looks_for_sni;
        // Bytes that are not HTTP have nowhere else to go.
        if looks_for_http && chains.len() == 1 && !self.decisions.http_ports_pass_other_bytes {
            looks_for_http = false;
            chains[0].chain.filter_chain_match = None;
            chains[0].because = protocol_because(port);
        }
        let takes_all = chains.iter().position(|chain| chain.chain.filter_chain_match.is_none());
        let default = match takes_all {
            Some(_) if chains.len() == 1 => None,
            Some(takes_all) => Some(chains.remove(takes_all)),
            None if by_sni_alone => None,
            None => Some(self.fall_through(looks_for_http)),
        };
        let mut listener = unbound(&addresses, port.port, vec![]);
        for (i, SharedChain { chain, because, source }) in chains.into_iter().enumerate() {
            self.because(Resource::FilterChain { listener: name.clone(), chain: Some(i) }, because, &source);
            listener.filter_chains.push(chain);
        }
        if let Some(SharedChain { chain, because, source }) = default {
            self.because(Resource::FilterChain { listener: name, chain: None }, because, &source);
            listener.default_filter_chain = Some(Box::new(chain));
        }
        if looks_for_sni {
            listener.listener_filters.push(tls_inspector(None));
        }
        if looks_for_http {
            listener.listener_filters.push(http_inspector(None));
        }
        if looks_for_http || by_sni_alone {
            listener.listener_filters_timeout = Some(self.detection_timeout());
        }
        if by_sni_alone {
            listener.access_log = self.no_chain_log();
        }
        listener
    }

    /// What nothing of a listener is for goes where everything unknown goes.
    fn fall_through(&self, looks_for_http: bool) -> SharedChain {
        let relay = vec![self.relay(&self.unknown_destination())];
        let because = match looks_for_http {
            true => "the bytes are not HTTP in plaintext",
            false => "neither its SNI (it may have none) nor its address is of a ServiceEntry of this port",
        };
        SharedChain {
            chain: FilterChain { name: "PassthroughFilterChain".into(), ..chain(None, relay) },
            because: because.into(),
            source: self.mesh.outbound_traffic_policy_of(self.pod).1,
        }
    }

    /// TLS for a service, matched by the names by which an app of this pod can call it.
    fn tls_for(&self, service: &Service) -> FilterChainMatch {
        let is_name =
            |domain: &String| !domain.ends_with('.') && !domain.contains(':') && domain.parse::<IpAddr>().is_err();
        FilterChainMatch {
            transport_protocol: Transport::Tls.as_str().into(),
            server_names: self.domains(service).into_iter().filter(is_name).collect(),
            ..FilterChainMatch::default()
        }
    }

    fn virtual_outbound(&mut self) -> Listener {
        let name = names::VIRTUAL_OUTBOUND;
        let resource = |chain| Resource::FilterChain { listener: name.into(), chain: Some(chain) };
        let to_itself = FilterChainMatch { destination_port: Some(OUTBOUND_PORT), ..FilterChainMatch::default() };
        let because = "dialled the sidecar itself: no redirect was involved";
        let source = Source::default_of("outbound port 15001");
        self.because(resource(0), because, &source);
        let because = format!("no service{} has the address and port", self.in_scope());
        self.because(resource(1), because, &self.source_of_unknown());

        let chains = vec![
            FilterChain {
                name: "virtualOutbound-blackhole".into(),
                ..chain(Some(to_itself), vec![self.relay(names::BLACK_HOLE_CLUSTER)])
            },
            FilterChain {
                name: "virtualOutbound-catchall-tcp".into(),
                ..chain(None, vec![self.relay(&self.unknown_destination())])
            },
        ];
        let mut listener = Listener {
            bind_to_port: None,
            continue_on_listener_filters_timeout: false,
            use_original_dst: Some(true),
            access_log: self.no_chain_log(),
            ..unbound(&WILDCARDS, OUTBOUND_PORT, chains)
        };
        listener.name = name.into();
        if self.decisions.reads_egress_sni {
            // Connections that are handed on pass these filters too, before their listener's own, and would wait for
            // bytes that look like TLS or not. So ports of services are left out: original ones, which
            // `use_original_dst` alone recovers only after all other filters (seen with Envoy 1.40).
            let services: BTreeSet<_> = self.service_ports().map(|(_, port)| port.port).collect();
            listener.listener_filters = vec![original_dst(), tls_inspector(on_ports(services))];
            listener.listener_filters_timeout = Some(self.detection_timeout());
            listener.continue_on_listener_filters_timeout = true;
        }
        listener
    }

    /// The cluster for connections to unknown destinations.
    pub(super) fn unknown_destination(&self) -> String {
        let proxy = self.known.scope.and_then(|scope| scope.egress_proxy.as_ref());
        match (self.mesh.outbound_traffic_policy_of(self.pod).0, proxy) {
            (OutboundTrafficPolicy::AllowAny, None) => names::PASSTHROUGH_CLUSTER.into(),
            (OutboundTrafficPolicy::AllowAny, Some(proxy)) => {
                let port = proxy.port.as_ref().and_then(|port| u16::try_from(port.number).ok()).unwrap_or_default();
                names::outbound_cluster(port, &proxy.subset, &proxy.host)
            }
            (OutboundTrafficPolicy::RegistryOnly, _) => names::BLACK_HOLE_CLUSTER.into(),
        }
    }

    /// What makes a destination unknown, or says what becomes of it: the Sidecar that limits what is known, if one does.
    pub(super) fn source_of_unknown(&self) -> Source {
        let limits = self.limits().map(|scope| scope.source.at("spec.egress"));
        limits.unwrap_or_else(|| self.mesh.outbound_traffic_policy_of(self.pod).1)
    }

    /// How long the inspectors wait for bytes; 0, Istio's default, is forever.
    pub(super) fn detection_timeout(&self) -> envoy_api::ProtoDuration {
        std::time::Duration::from_millis(self.mesh.config.protocol_detection_timeout_ms).into()
    }
}
