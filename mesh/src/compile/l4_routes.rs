//! Filter chains that VirtualServices with routes of TLS and TCP make (`pilot/pkg/networking/core/tls.go`).

use envoy_api::{CidrRange, Filter, FilterChainMatch, TcpClusterWeight, TcpProxy, TcpWeightedCluster};
use ipnet::IpNet;

use super::{Compiler, filters, names, parts::chain, scope::Listener, shared::SharedChain};
use crate::model::{
    L4Match, MESH_GATEWAY, Pod, RouteDestination, Service, ServicePort, Source, TlsMatch, VirtualService,
};

/// What of a match is decided when the configuration is made.
struct Static<'a> {
    gateways: &'a [String],
    labels: &'a std::collections::BTreeMap<String, String>,
    namespace: &'a str,
    port: u32,
}

impl<'a> From<&'a TlsMatch> for Static<'a> {
    fn from(one: &'a TlsMatch) -> Self {
        Self { gateways: &one.gateways, labels: &one.source_labels, namespace: &one.source_namespace, port: one.port }
    }
}

impl<'a> From<&'a L4Match> for Static<'a> {
    fn from(one: &'a L4Match) -> Self {
        Self { gateways: &one.gateways, labels: &one.source_labels, namespace: &one.source_namespace, port: one.port }
    }
}

impl Static<'_> {
    /// Whether it is for a caller and the port that it calls (`matchTLS`, `matchTCP`).
    fn is_for(&self, caller: &Pod, port: u16) -> bool {
        let Self { gateways, labels, namespace, .. } = self;
        (gateways.is_empty() || gateways.iter().any(|gateway| gateway == MESH_GATEWAY))
            && labels.iter().all(|(key, value)| caller.labels.get(key) == Some(value))
            && (self.port == 0 || self.port == u32::from(port))
            && (namespace.is_empty() || *namespace == caller.name.namespace)
    }
}

impl<'a> Compiler<'a> {
    /// The chains of a port that speaks TLS, by the SNI that routes name; none if no route is for it.
    pub(super) fn tls_routes(
        &self,
        known: &Listener<'a>,
        service: &Service,
        port: &ServicePort,
        range: Option<IpNet>,
    ) -> Vec<SharedChain> {
        let mut made: Vec<SharedChain> = vec![];
        let mut ranges: Vec<CidrRange> = range.iter().map(cidr).collect();
        for rule in known.rules_for(&service.host) {
            for tls in rule.tls.iter().filter(|tls| !tls.spec.route.is_empty()) {
                for (i, one) in tls.spec.matches.iter().enumerate() {
                    if !Static::from(one).is_for(self.pod, port.port) {
                        continue;
                    }
                    // They hold for the matches behind it as well.
                    if !one.destination_subnets.is_empty() {
                        ranges = subnets(&one.destination_subnets);
                    }
                    let matches = FilterChainMatch {
                        server_names: one.sni_hosts.clone(),
                        prefix_ranges: ranges.clone(),
                        ..FilterChainMatch::default()
                    };
                    if made.iter().any(|earlier| earlier.chain.filter_chain_match.as_ref() == Some(&matches)) {
                        continue;
                    }
                    let source = tls.source.at(format!("{}.match[{i}]", tls.source.field));
                    made.push(self.routed(Some(matches), &tls.spec.route, port, rule, source));
                }
            }
        }
        made
    }

    /// The chains that routes of TCP make of a port, and whether one of them takes all that is the service's.
    pub(super) fn tcp_routes(
        &self,
        known: &Listener<'a>,
        service: &Service,
        port: &ServicePort,
        range: Option<IpNet>,
    ) -> (Vec<SharedChain>, bool) {
        let all = || {
            let prefix_ranges: Vec<CidrRange> = range.iter().map(cidr).collect();
            (!prefix_ranges.is_empty()).then(|| FilterChainMatch { prefix_ranges, ..FilterChainMatch::default() })
        };
        let mut made = vec![];
        let mut takes_all = false;
        for rule in known.rules_for(&service.host) {
            for tcp in rule.tcp.iter().filter(|tcp| !tcp.spec.route.is_empty()) {
                if tcp.spec.matches.is_empty() {
                    made.push(self.routed(all(), &tcp.spec.route, port, rule, tcp.source.clone()));
                    return (made, true);
                }
                let mut ranges = vec![];
                for (i, one) in tcp.spec.matches.iter().enumerate() {
                    if !Static::from(one).is_for(self.pod, port.port) {
                        continue;
                    }
                    let source = tcp.source.at(format!("{}.match[{i}]", tcp.source.field));
                    if one.destination_subnets.is_empty() {
                        made.push(self.routed(all(), &tcp.spec.route, port, rule, source));
                        return (made, true);
                    }
                    ranges.extend(subnets(&one.destination_subnets));
                }
                if !ranges.is_empty() {
                    // Then the service's own chain would have the same match.
                    takes_all |= range.is_some_and(|own| ranges == [cidr(&own)]);
                    let matches = FilterChainMatch { prefix_ranges: ranges, ..FilterChainMatch::default() };
                    made.push(self.routed(Some(matches), &tcp.spec.route, port, rule, tcp.source.clone()));
                }
            }
        }
        (made, takes_all)
    }

    fn routed(
        &self,
        matches: Option<FilterChainMatch>,
        route: &[RouteDestination],
        port: &ServicePort,
        rule: &VirtualService,
        source: Source,
    ) -> SharedChain {
        let because = format!("{} {}", rule.full_name(), source.field.trim_start_matches("spec."));
        SharedChain { chain: chain(matches, vec![self.relay_by(route, port.port, rule)]), because, source }
    }

    /// Relays bytes to the clusters of a route (`buildOutboundNetworkFilters`).
    pub(super) fn relay_by(&self, route: &[RouteDestination], called: u16, rule: &VirtualService) -> Filter {
        let cluster = |one: &RouteDestination| {
            let to = one.destination.clone().unwrap_or_default();
            let known = self.cluster_ports().find(|(service, _)| service.host == to.host).map(|(service, _)| service);
            let only = known.and_then(|service| if let [only] = &service.ports[..] { Some(only.port) } else { None });
            let asked = to.port.as_ref().and_then(|asked| u16::try_from(asked.number).ok());
            names::outbound_cluster(asked.or(only).unwrap_or(called), &to.subset, &to.host)
        };
        let first = route.first().and_then(|one| one.destination.as_ref()).map(|to| to.host.as_str());
        let first = first.and_then(|host| self.service_ports().find(|(service, _)| service.host == host));
        let ruled = first.and_then(|(service, port)| self.destination(service, port).rule);
        if let [only] = route {
            let subset = only.destination.as_ref().map_or("", |to| &to.subset);
            return filters::relay(self.tcp_proxy(&cluster(only), ruled, subset));
        }
        let clusters = route.iter().filter(|one| one.weight > 0);
        let clusters =
            clusters.map(|one| TcpClusterWeight { name: cluster(one), weight: one.weight.unsigned_abs() }).collect();
        filters::relay(TcpProxy {
            stat_prefix: format!("{}.{}", rule.name.name, rule.name.namespace),
            weighted_clusters: Some(TcpWeightedCluster { clusters }),
            ..self.tcp_proxy("", ruled, "")
        })
    }
}

fn cidr(range: &IpNet) -> CidrRange {
    CidrRange { address_prefix: range.addr(), prefix_len: range.prefix_len() }
}

fn subnets(all: &[String]) -> Vec<CidrRange> {
    let whole = |text: &String| {
        text.parse::<IpNet>().ok().or_else(|| Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?)))
    };
    all.iter().filter_map(whole).map(|range| cidr(&range)).collect()
}
