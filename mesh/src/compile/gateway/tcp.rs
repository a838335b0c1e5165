//! What a gateway relays as bytes: to where routes of TCP and TLS lead.

use std::collections::BTreeSet;

use envoy_api::Filter;

use super::{MadeChain, sni_match};
use crate::{
    compile::{Compiler, filters, parts::chain, tls::OFFER_TCP},
    model::{L4Match, MergedServer, RouteDestination, TlsMatch, VirtualService, seen_at_gateway},
};

impl<'a> Compiler<'a> {
    /// The filters of the first route of TCP for a server; none without one (`buildGatewayNetworkFiltersFromTCPRoutes`).
    pub(super) fn gateway_tcp(&self, one: &MergedServer<'a>) -> Vec<Filter> {
        let is_for = |matched: &L4Match| is_for(matched.port, &matched.gateways, one);
        for rule in self.rules_of(one).into_iter().filter(|rule| one.server.matches(rule)) {
            for tcp in rule.tcp.iter().filter(|tcp| !tcp.spec.route.is_empty()) {
                if tcp.spec.matches.is_empty() || tcp.spec.matches.iter().any(is_for) {
                    return self.gateway_relay(&tcp.spec.route, one, rule);
                }
            }
        }
        vec![]
    }

    /// A chain for each SNI match of routes of TLS (`buildGatewayNetworkFiltersFromTLSRoutes`). `taken` are the SNI hosts of each
    /// listener so far.
    pub(super) fn passthrough_chains(
        &self,
        one: &MergedServer<'a>,
        listener: &str,
        taken: &mut BTreeSet<(String, String)>,
    ) -> Vec<MadeChain> {
        let is_for = |matched: &TlsMatch| is_for(matched.port, &matched.gateways, one);
        let mut made = vec![];
        for rule in self.rules_of(one).into_iter().filter(|rule| one.server.matches(rule)) {
            for tls in rule.tls.iter().filter(|tls| !tls.spec.route.is_empty()) {
                for (i, matched) in tls.spec.matches.iter().enumerate().filter(|(_, matched)| is_for(matched)) {
                    let keys: Vec<_> = matched.sni_hosts.iter().map(|sni| (listener.to_owned(), sni.clone())).collect();
                    if keys.iter().any(|key| taken.contains(key)) {
                        continue;
                    }
                    taken.extend(keys);
                    let source = tls.source.at(format!("{}.match[{i}]", tls.source.field));
                    let because = format!(
                        "{} passes TLS through; {} {}",
                        one.gateway.full_name(),
                        rule.full_name(),
                        source.field.trim_start_matches("spec.")
                    );
                    let filters = self.gateway_relay(&tls.spec.route, one, rule);
                    made.push(MadeChain {
                        chain: chain(sni_match(&matched.sni_hosts), filters),
                        is_tls: true,
                        because,
                        source,
                    });
                }
            }
        }
        made
    }

    /// The VirtualServices that are bound to a server's Gateway.
    pub(super) fn rules_of(&self, one: &MergedServer<'a>) -> Vec<&'a VirtualService> {
        seen_at_gateway(&self.mesh.virtual_services, &one.gateway.id(), self.pod)
    }

    fn gateway_relay(&self, route: &[RouteDestination], one: &MergedServer<'a>, rule: &VirtualService) -> Vec<Filter> {
        // At a gateway the cluster of a port with detection offers the ALPN of HTTP (`client_tls.rs`).
        let offer = self.is_detected(route).then(|| filters::offer(OFFER_TCP));
        let relay = self.relay_by(route, one.server.port, rule);
        self.authorize_connections().into_iter().chain(offer).chain([relay]).collect()
    }

    /// Whether a route leads to a port whose protocol is detected, in mTLS of the mesh.
    fn is_detected(&self, route: &[RouteDestination]) -> bool {
        route.iter().filter_map(|one| one.destination.as_ref()).any(|to| {
            let asked = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
            let of_host = self.cluster_ports().filter(|(service, _)| service.host == to.host);
            of_host
                .filter(|(_, port)| asked.is_none_or(|asked| asked == port.port))
                .any(|(service, port)| port.protocol.is_auto() && !self.destination(service, port).has_own_tls())
        })
    }
}

/// Whether a match is for a server's port and its Gateway (`l4SingleMatch`).
fn is_for(port: u32, gateways: &[String], one: &MergedServer<'_>) -> bool {
    let of_port = port == 0 || port == u32::from(one.server.port);
    of_port && (gateways.is_empty() || gateways.contains(&one.gateway.id()))
}
