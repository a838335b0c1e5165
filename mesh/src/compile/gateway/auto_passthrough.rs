//! AUTO_PASSTHROUGH: TLS of the mesh is passed on to the service that its SNI names (`builtAutoPassthroughFilterChains`).

use envoy_api::FilterChainMatch;

use super::{MadeChain, sni_match};
use crate::{
    compile::{Compiler, chain_table::MESH_ALPN, destination::Destination, filters, parts::chain},
    model::{MergedServer, Server, Service, is_host_for},
};

impl<'a> Compiler<'a> {
    /// A chain for each cluster of services that a server is for.
    pub(super) fn auto_passthrough_chains(&self, one: &MergedServer<'a>) -> Vec<MadeChain> {
        let mut made = vec![];
        for destination in self.passed_on_to(|service| covers(one.server, service)) {
            let cluster = destination.mesh_sni();
            let matches = FilterChainMatch {
                application_protocols: MESH_ALPN.iter().map(|&alpn| alpn.into()).collect(),
                ..sni_match(std::slice::from_ref(&cluster)).unwrap_or_default()
            };
            // No policy of the gateway's is asked here.
            let relay = filters::relay(self.tcp_proxy(&cluster, destination.rule, ""));
            made.push(MadeChain {
                chain: chain(Some(matches), vec![relay]),
                is_tls: true,
                because: format!("{} passes mTLS on to {}", one.gateway.full_name(), destination.service.host),
                source: one.server.source.clone(),
            });
        }
        made
    }

    /// What mTLS may be passed on to: the ports of the mesh's own services, and their subsets.
    pub(in crate::compile) fn passed_on_to(&self, is_meant: impl Fn(&Service) -> bool) -> Vec<Destination<'a>> {
        let is_external = |service: &Service| service.entry.as_ref().is_some_and(|entry| entry.external);
        let ports = self.cluster_ports().filter(|(service, _)| !is_external(service) && is_meant(service));
        let wholes = ports.map(|(service, port)| self.destination(service, port));
        wholes.flat_map(|whole| std::iter::once(whole).chain(whole.subsets())).collect()
    }
}

fn covers(server: &Server, service: &Service) -> bool {
    server.hosts.iter().any(|one| is_host_for(&one.host, &service.host))
}
