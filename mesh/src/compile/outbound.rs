//! Outbound listeners: how the app's connections are handled, by original destination.
//!
//! iptables sends them all to `virtualOutbound`, which hands each on to the listener of its original destination
//! (none of those is bound), or handles it itself if there is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use envoy_api::{FilterChain, FilterChainMatch, Listener};

use super::{
    Compiler, PortClass, Resource, Transport,
    chain_table::PLAIN_HTTP,
    destination::Destination,
    filters, names,
    parts::{WILDCARDS, chain, http_inspector, on_ports, original_dst, plain_http, tls_inspector, unbound},
    protocol_because,
    tls::{OFFER_HTTP1, OFFER_HTTP2},
    wildcard::Wildcard,
};
use crate::{
    model::{Family, OutboundTrafficPolicy, Service, ServicePort},
    sidecar::OUTBOUND_PORT,
};

impl Compiler<'_> {
    /// One listener for each port that services share at all addresses, one for each other service port, and
    /// `virtualOutbound`. Where two services have an address and port, the first has the listener.
    pub(super) fn outbound_listeners(&mut self) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = vec![];
        let mut shared: BTreeMap<u16, Wildcard<'_>> = BTreeMap::new();
        for (service, port) in self.service_ports() {
            let destination = self.destination(service, port);
            let class = self.client_class(destination);
            if class == PortClass::Http || service.entry.as_ref().is_some_and(|entry| entry.needs_wildcard(service)) {
                shared.entry(port.port).or_default().add(class, service, port);
            }
            for addresses in self.addresses(service, port).into_iter().filter(|_| class != PortClass::Http) {
                let listener = self.of_one_service(&addresses, destination);
                if listeners.iter().all(|earlier| earlier.name != listener.name) {
                    listeners.push(listener);
                }
            }
        }
        let mut all: Vec<_> = shared.iter().map(|(number, wildcard)| self.wildcard(*number, wildcard)).collect();
        all.append(&mut listeners);
        all.push(self.virtual_outbound());
        all
    }

    /// The sets of addresses that a service port has listeners for: its virtual addresses, or each address of each of its
    /// pods when it has none (`GetAddressForProxy`; a headless service's endpoints have one address each). To its own first
    /// address a pod talks without its sidecar. Each address of a ServiceEntry has a listener of its own.
    fn addresses(&self, service: &Service, port: &ServicePort) -> Vec<Vec<IpAddr>> {
        if service.entry.is_some() {
            return service.vips.iter().map(|vip| vec![*vip]).collect();
        }
        if !service.is_headless() {
            return vec![service.vips.clone()];
        }
        let own = IpAddr::from(self.pod.ips.v4);
        let of_pods = port.endpoints.iter().flat_map(|endpoint| self.mesh.pods[endpoint.pod].ips.both());
        let of_service = |ip: &IpAddr| *ip != own && service.families.contains(&Family::of(*ip));
        of_pods.filter(of_service).map(|ip| vec![ip]).collect()
    }

    /// The listener of one service's port, or of one pod's.
    fn of_one_service(&mut self, addresses: &[IpAddr], destination: Destination<'_>) -> Listener {
        let Destination { service, port, .. } = destination;
        let listener = names::listener(addresses[0], port.port);
        self.because(Resource::Listener(listener.clone()), protocol_because(port), &port.protocol_source);
        let tcp = chain(None, vec![self.relay(&destination.cluster_name())]);
        let chain_of = |chain| Resource::FilterChain { listener: listener.clone(), chain };
        if let Some((by, source)) = destination.passthrough {
            self.because(chain_of(Some(0)), format!("{by} is annotated PASSTHROUGH: TLS is routed by its SNI"), source);
            let chain = FilterChain { filter_chain_match: Some(self.tls_for(service)), ..tcp };
            return self.reading_sni(unbound(addresses, port.port, vec![chain]));
        }
        if self.class(port.protocol) == PortClass::Tcp {
            self.because(chain_of(Some(0)), protocol_because(port), &port.protocol_source);
            return unbound(addresses, port.port, vec![tcp]);
        }
        let http = self.outbound_http(&listener, &names::detected_routes(port.port, &service.host));
        let chains = if destination.has_own_tls() {
            self.because(chain_of(Some(0)), "the bytes are HTTP in plaintext", &port.protocol_source);
            vec![chain(Some(plain_http(PLAIN_HTTP)), vec![http])]
        } else {
            // One chain for each version: what the upstream handshake offers depends on it, and stock Envoy can be told
            // only for a whole connection.
            self.because(chain_of(Some(0)), "the bytes are HTTP/1.1 in plaintext", &port.protocol_source);
            self.because(chain_of(Some(1)), "the bytes are HTTP/2 in plaintext", &port.protocol_source);
            [("http/1.1", OFFER_HTTP1), ("h2c", OFFER_HTTP2)]
                .map(|(seen, alpn)| chain(Some(plain_http(&[seen])), vec![filters::offer(alpn), http.clone()]))
                .into()
        };
        self.because(chain_of(None), "the bytes are not HTTP in plaintext", &port.protocol_source);
        Listener { default_filter_chain: Some(Box::new(tcp)), ..self.detecting(unbound(addresses, port.port, chains)) }
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

    /// Adds the SNI inspector, and logging of connections that match no chain.
    fn reading_sni(&self, listener: Listener) -> Listener {
        Listener {
            listener_filters: vec![tls_inspector(None)],
            listener_filters_timeout: Some(self.detection_timeout()),
            continue_on_listener_filters_timeout: true,
            access_log: self.no_chain_log(),
            ..listener
        }
    }

    /// Adds the inspectors that detect whether the app speaks HTTP.
    pub(super) fn detecting(&self, listener: Listener) -> Listener {
        Listener {
            listener_filters: vec![http_inspector(None)],
            listener_filters_timeout: Some(self.detection_timeout()),
            continue_on_listener_filters_timeout: true,
            ..listener
        }
    }

    fn virtual_outbound(&mut self) -> Listener {
        let name = names::VIRTUAL_OUTBOUND;
        let resource = |chain| Resource::FilterChain { listener: name.into(), chain: Some(chain) };
        let to_itself = FilterChainMatch { destination_port: Some(OUTBOUND_PORT), ..FilterChainMatch::default() };
        let because = "dialled the sidecar itself: no redirect was involved";
        let source = crate::model::Source::default_of("outbound port 15001");
        self.because(resource(0), because, &source);
        let source = self.mesh.config.source.at("outboundTrafficPolicy.mode");
        self.because(resource(1), "no service has the address and port", &source);

        let chains = vec![
            FilterChain {
                name: "virtualOutbound-blackhole".into(),
                ..chain(Some(to_itself), vec![self.relay(names::BLACK_HOLE_CLUSTER)])
            },
            FilterChain {
                name: "virtualOutbound-catchall-tcp".into(),
                ..chain(None, vec![self.relay(self.unknown_destination())])
            },
        ];
        let mut listener = Listener {
            bind_to_port: None,
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
    pub(super) fn unknown_destination(&self) -> &'static str {
        match self.mesh.config.outbound_traffic_policy {
            OutboundTrafficPolicy::AllowAny => names::PASSTHROUGH_CLUSTER,
            OutboundTrafficPolicy::RegistryOnly => names::BLACK_HOLE_CLUSTER,
        }
    }

    /// How long the inspectors wait for bytes; 0, Istio's default, is forever.
    pub(super) fn detection_timeout(&self) -> envoy_api::ProtoDuration {
        std::time::Duration::from_millis(self.mesh.config.protocol_detection_timeout_ms).into()
    }
}
