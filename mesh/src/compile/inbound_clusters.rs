//! The clusters of leg 3: from a server's sidecar to its app (`buildInboundClusters` in `pilot/pkg/networking/core/cluster.go`).

use std::{collections::BTreeMap, net::SocketAddr};

use envoy_api::{Cluster, DiscoveryType, LbPolicy, OriginalDstLbConfig};

use super::{
    Compiler, Resource,
    clusters::{cluster, fixed, one_endpoint, service_metadata, target_port},
    destination::config_note,
    names,
    taken::Taken,
    traffic_policy,
};
use crate::{
    flavor::AppAddress,
    model::{DestinationRule, Service, ServicePort},
};

impl<'a> Compiler<'a> {
    /// The ports of services that send to this pod. For UDP ports Istio has chains and clusters as well, of the TCP that may come to
    /// such a port.
    fn ports_of_pod(&self) -> Vec<(&'a Service, &'a ServicePort, u16)> {
        self.mesh.ports_of(self.index)
    }

    /// The container ports that the sidecar takes by name: those that a Sidecar lists, else those that services send to, each with
    /// the service port that decides its protocol: the oldest service's, if several do (`buildInboundChainConfigs` in
    /// `pilot/pkg/networking/core/listener_inbound.go`).
    pub(super) fn inbound_ports(&self) -> BTreeMap<u16, Taken<'a>> {
        let scope = self.known.scope.filter(|scope| !scope.ingress.is_empty());
        if let Some(scope) = scope {
            let taken = |ingress| Taken::by_sidecar(scope, ingress, self.pod);
            return scope.ingress.iter().map(|ingress| (ingress.port.port, taken(ingress))).collect();
        }
        let mut ports = BTreeMap::new();
        for (service, port, target) in self.ports_of_pod() {
            ports.entry(target).or_insert_with(|| Taken::by_service(service, port));
        }
        ports
    }

    /// Leg 3 of a container port.
    pub(super) fn inbound_clusters(&mut self, target: u16, taken: &Taken<'a>) -> Vec<Cluster> {
        let port = taken.port;
        let endpoint = taken.ingress.and_then(|ingress| ingress.default_endpoint);
        let services = self.services_of(target);
        let mut clusters = match (self.decisions.app_address, endpoint) {
            (_, Some(endpoint)) => vec![self.cluster_at(&names::inbound_cluster(target), endpoint)],
            // One address for both families (`actualLocalHosts[0]` in `buildInboundClusters`).
            (AppAddress::OriginalDestination, None) if self.mesh.config.apps_are_on_loopback => {
                vec![self.loopback_cluster(&names::inbound_cluster(target), "127.0.0.1", target)]
            }
            (AppAddress::OriginalDestination, None) => vec![Cluster {
                upstream_bind_config: self.bind_to_passthrough_source(),
                original_dst_lb_config: services
                    .first()
                    .and_then(|(service, _)| target_port(service, port))
                    .map(|port| OriginalDstLbConfig { upstream_port_override: Some(port) }),
                ..cluster(&names::inbound_cluster(target), DiscoveryType::OriginalDst, LbPolicy::ClusterProvided)
            }],
            (AppAddress::Loopback, None) => vec![
                self.loopback_cluster(&names::inbound_cluster(target), "127.0.0.1", target),
                self.loopback_cluster(&names::inbound_ipv6_cluster(target), "::1", target),
            ],
        };
        let hosts: Vec<_> = services.iter().map(|(service, _)| service.host.as_str()).collect();
        // Noted are those of the same port number (`addTelemetryMetadata` in `cluster_builder.go`); a Sidecar's port is of the first
        // service that sends to it (`findOrCreateService` in `cluster.go`).
        let mut noted: Vec<_> = match taken.ingress {
            Some(_) => services.iter().take(1).map(|(service, _)| *service).collect(),
            None => services.iter().filter(|(_, number)| *number == port.port).map(|(service, _)| *service).collect(),
        };
        noted.dedup_by_key(|service| &service.host);
        for cluster in &mut clusters {
            self.because(Resource::Cluster(cluster.name.clone()), taken.because(), taken.source());
            // Of a service outside the mesh nothing is noted.
            let first = services.first().map(|(first, _)| *first).filter(|first| !is_external(first));
            // Istio has a server take as much as its clients may send, unless a Sidecar says how much.
            let rule = services.first().and_then(|(first, _)| self.inbound_rule(first));
            let policy = rule.filter(|rule| rule.traffic_policy.is_some());
            let pool = policy.and_then(|rule| rule.setting(port.port, None, |policy| policy.connection_pool.as_ref()));
            let pool = self.known.scope.and_then(|scope| scope.inbound_limits(target)).or(pool);
            let asked = self.asked(pool);
            traffic_policy::limit(cluster, asked);
            cluster.typed_extension_protocol_options =
                traffic_policy::http_options(port, self.class(port.protocol), None, asked, false);
            let notes = policy.map(config_note).into_iter().collect();
            cluster.metadata = first.map(|_| service_metadata(&noted, notes));
            self.add_app_tls(cluster, target, &hosts);
        }
        clusters
    }

    /// The rule whose settings of a whole destination or a port a server follows, too.
    fn inbound_rule(&self, service: &Service) -> Option<&'a DestinationRule> {
        let rules = &self.mesh.destination_rules;
        // Of a host that the sidecar does not know it knows no rules.
        let is_known = self.known.has_host(&service.host);
        rules.find_inbound(self.pod, &service.host, &service.name.namespace).filter(|_| is_known)
    }

    /// The services that send to a container port, the oldest first, each with its port that does.
    fn services_of(&self, target: u16) -> Vec<(&'a Service, u16)> {
        let to_it = self.ports_of_pod().into_iter().filter(|(_, _, port)| *port == target);
        to_it.map(|(service, port, _)| (service, port.port)).collect()
    }

    /// A cluster that leads to the app where a Sidecar says that it is: at an address of the pod's own, or on loopback, where the
    /// redirect rules leave it alone (`buildInboundClustersFromSidecar` in `cluster.go`).
    fn cluster_at(&self, name: &str, endpoint: SocketAddr) -> Cluster {
        let (ip, ips) = (endpoint.ip(), &self.pod.ips);
        if ip.is_loopback() {
            return self.loopback_cluster(name, &ip.to_string(), endpoint.port());
        }
        let own = if ip.is_ipv4() { ips.v4.to_string() } else { ips.v6.to_string() };
        Cluster {
            load_assignment: Some(one_endpoint(name, &own, endpoint.port())),
            upstream_bind_config: self.bind_to_passthrough_source(),
            ..fixed(name)
        }
    }

    fn loopback_cluster(&self, name: &str, address: &str, port: u16) -> Cluster {
        Cluster {
            load_assignment: Some(one_endpoint(name, address, port)),
            upstream_bind_config: self.bind(None, None),
            ..fixed(name)
        }
    }
}

fn is_external(service: &Service) -> bool {
    service.entry.as_ref().is_some_and(|entry| entry.external)
}
