//! Clusters and endpoints: where connections go, and which use mTLS.

use std::collections::BTreeMap;

use envoy_api::{
    Address, BindConfig, Cluster, ClusterLoadAssignment, CommonHttpProtocolOptions, ConfigSource, DiscoveryType,
    DnsLookupFamily, EdsClusterConfig, Endpoint, ExtraSourceAddress, HttpProtocolOptions, LbEndpoint, LbPolicy,
    LocalityLbEndpoints, Metadata, OriginalDstLbConfig, SocketAddress, SocketOption, SocketState,
    TRANSPORT_SOCKET_MATCH, TransportSocket, TransportSocketMatch,
};
use serde_json::{Map, Value, json};

use super::{
    Compiler, Resource, balancing,
    client_tls::{ClientSide, Sockets},
    destination::Destination,
    files,
    filters::seconds,
    names,
    traffic_policy::{self, downstream_protocol},
};
use crate::{
    model::{Resolution, ServerTlsMode, Service, ServicePort, TLS_MODE_ISTIO},
    redirect::ProxyIdentity,
};

/// The metadata key that marks an endpoint for mTLS.
const TLS_MODE: &str = "tlsMode";

impl<'a> Compiler<'a> {
    /// CDS, and EDS for the clusters that have it.
    pub(super) fn clusters(&mut self) -> (Vec<Cluster>, Vec<ClusterLoadAssignment>) {
        let (mut clusters, mut endpoints) = (vec![], vec![]);
        for (service, port) in self.cluster_ports() {
            let whole = self.destination(service, port);
            let kind = self.cluster_type(service);
            for destination in std::iter::once(whole).chain(whole.subsets()) {
                // A cluster that is resolved by name but has no name is omitted (`buildCluster` in `cluster_builder.go`).
                let by_name = matches!(kind, DiscoveryType::StrictDns | DiscoveryType::LogicalDns);
                if by_name && destination.targets(self.mesh, &self.entries).is_empty() {
                    continue;
                }
                let cluster = self.outbound_cluster(destination);
                if cluster.discovery_type == DiscoveryType::Eds {
                    endpoints.push(self.endpoints(destination));
                }
                clusters.push(cluster);
            }
        }
        clusters.push(fixed(names::BLACK_HOLE_CLUSTER));
        if self.pod.is_gateway() {
            self.add_passed_on(&mut clusters, &mut endpoints);
            return (clusters, endpoints);
        }
        clusters.push(self.passthrough(names::PASSTHROUGH_CLUSTER));
        for (target, taken) in self.inbound_ports() {
            clusters.extend(self.inbound_clusters(target, &taken));
        }
        let mut inbound_passthrough = self.passthrough(names::INBOUND_PASSTHROUGH_CLUSTER);
        inbound_passthrough.upstream_bind_config = self.bind_to_passthrough_source();
        clusters.push(inbound_passthrough);
        (clusters, endpoints)
    }

    fn outbound_cluster(&mut self, destination: Destination<'a>) -> Cluster {
        let name = destination.cluster_name();
        let Destination { service, port, .. } = destination;
        let mut because = format!("port {} of {}", port.port, service.host);
        if let Some(limits) = destination.connection_pool().and_then(traffic_policy::limits_in_words) {
            because += &format!("; limits: {limits}");
        }
        if let Some(outliers) = destination.outlier_detection() {
            because += &format!("; ejects endpoints after {}", balancing::outliers_in_words(outliers));
        }
        self.because(Resource::Cluster(name.clone()), because, destination.source());
        let ClientSide { sockets, by_host, because, source } = self.client_side(destination);
        self.because(Resource::TransportSocket { cluster: name.clone() }, because, &source);

        let balancer = destination.load_balancer();
        let kind = match self.cluster_type(service) {
            _ if balancing::passes_through(balancer) => DiscoveryType::OriginalDst,
            kind => kind,
        };
        let mut cluster = match kind {
            DiscoveryType::OriginalDst => Cluster {
                original_dst_lb_config: target_port(service, port)
                    .map(|port| OriginalDstLbConfig { upstream_port_override: Some(port) }),
                ..cluster(&name, DiscoveryType::OriginalDst, LbPolicy::ClusterProvided)
            },
            DiscoveryType::Eds => {
                let path = self.placement.config_dir.join(files::endpoints(&name));
                Cluster {
                    eds_cluster_config: Some(EdsClusterConfig {
                        eds_config: ConfigSource::path(path),
                        service_name: name.clone(),
                    }),
                    ..cluster(&name, DiscoveryType::Eds, LbPolicy::LeastRequest)
                }
            }
            by_name => Cluster {
                load_assignment: Some(self.endpoints(destination)),
                // Istio resolves both families, and Envoy alternates: here a call takes the same path every time.
                dns_lookup_family: Some(DnsLookupFamily::V4Preferred),
                ..cluster(&name, by_name, LbPolicy::LeastRequest)
            },
        };
        match sockets {
            Sockets::Plaintext => {}
            Sockets::All(socket) => cluster.transport_socket = Some(socket),
            // The endpoints of calls that pass through carry no mark (`applyUpstreamTLSSettings` in `cluster_tls.go`).
            Sockets::Marked(socket) if kind == DiscoveryType::OriginalDst => cluster.transport_socket = Some(socket),
            Sockets::Marked(socket) => cluster.transport_socket_matches = by_mark(socket),
        }
        cluster.upstream_bind_config = self.bind(None, None);
        let asked = self.asked(destination.connection_pool());
        traffic_policy::limit(&mut cluster, asked);
        balancing::detect_outliers(&mut cluster, destination.outlier_detection());
        balancing::balance(&mut cluster, balancer);
        cluster.typed_extension_protocol_options =
            traffic_policy::http_options(port, self.client_class(destination), by_host, asked, true);
        cluster.metadata = Some(service_metadata(&[service], destination.notes()));
        cluster
    }

    /// The clusters of AUTO_PASSTHROUGH, without any TLS setting: what is marked for mTLS gets it as it came
    /// (`buildOutboundSniDnatClusters` in `cluster.go`).
    fn add_passed_on(&mut self, clusters: &mut Vec<Cluster>, endpoints: &mut Vec<ClusterLoadAssignment>) {
        let gateways = self.mesh.merged_gateway(self.index);
        let mut servers = gateways.ports.iter().flat_map(|port| &port.servers);
        if !servers.any(|one| one.server.mode() == Some(ServerTlsMode::AutoPassthrough)) {
            return;
        }
        for destination in self.passed_on_to(|_| true) {
            let name = destination.mesh_sni();
            if self.cluster_type(destination.service) != DiscoveryType::Eds {
                continue;
            }
            let because = format!("mTLS for {} is passed on", destination.service.host);
            self.because(Resource::Cluster(name.clone()), because, destination.source());
            let path = self.placement.config_dir.join(files::endpoints(&name));
            let mut cluster = Cluster {
                eds_cluster_config: Some(EdsClusterConfig {
                    eds_config: ConfigSource::path(path),
                    service_name: name.clone(),
                }),
                metadata: Some(service_metadata(&[destination.service], destination.notes())),
                ..cluster(&name, DiscoveryType::Eds, LbPolicy::LeastRequest)
            };
            let asked = self.asked(destination.connection_pool());
            traffic_policy::limit(&mut cluster, asked);
            let class = self.client_class(destination);
            cluster.typed_extension_protocol_options =
                traffic_policy::http_options(destination.port, class, None, asked, true);
            clusters.push(cluster);
            let mut set = self.endpoints_as(&name, destination);
            for locality in &mut set.endpoints {
                locality.lb_endpoints.retain(|endpoint| endpoint.metadata.is_some());
            }
            endpoints.push(set);
        }
    }

    fn endpoints(&mut self, destination: Destination<'a>) -> ClusterLoadAssignment {
        self.endpoints_as(&destination.cluster_name(), destination)
    }

    /// The endpoints of a destination, for a cluster of this name.
    fn endpoints_as(&mut self, name: &str, destination: Destination<'a>) -> ClusterLoadAssignment {
        let name = name.to_owned();
        let mut lb_endpoints = vec![];
        for target in destination.targets(self.mesh, &self.entries) {
            let resource = Resource::Endpoint { cluster: name.clone(), host: target.host.clone(), port: target.port };
            self.because(resource, target.because, target.source);
            lb_endpoints.push(LbEndpoint {
                endpoint: Endpoint { address: Address::tcp(target.host, target.port), additional_addresses: vec![] },
                metadata: target.mtls.then(|| metadata(TRANSPORT_SOCKET_MATCH, marked())),
                load_balancing_weight: None,
            });
        }
        ClusterLoadAssignment { cluster_name: name, endpoints: vec![LocalityLbEndpoints { lb_endpoints }] }
    }

    /// How the endpoints of a service are found (`convertResolution` in `pilot/pkg/networking/core/cluster.go`). A gateway passes nothing
    /// on to where it was going.
    fn cluster_type(&self, service: &Service) -> DiscoveryType {
        match service.entry.as_ref().map(|entry| entry.resolution) {
            Some(Resolution::Dns) => DiscoveryType::StrictDns,
            Some(Resolution::DnsRoundRobin) => DiscoveryType::LogicalDns,
            None if service.is_headless() && !self.pod.is_gateway() => DiscoveryType::OriginalDst,
            Some(Resolution::None) if !self.pod.is_gateway() => DiscoveryType::OriginalDst,
            None | Some(Resolution::None | Resolution::Static) => DiscoveryType::Eds,
        }
    }

    /// A cluster that leads to the original destination.
    fn passthrough(&self, name: &str) -> Cluster {
        let mut passthrough = Cluster {
            upstream_bind_config: self.bind(None, None),
            typed_extension_protocol_options: traffic_policy::by_name(HttpProtocolOptions {
                use_downstream_protocol_config: Some(downstream_protocol()),
                common_http_protocol_options: Some(CommonHttpProtocolOptions {
                    idle_timeout: Some(seconds(300)),
                    ..CommonHttpProtocolOptions::default()
                }),
                ..HttpProtocolOptions::default()
            }),
            ..cluster(name, DiscoveryType::OriginalDst, LbPolicy::ClusterProvided)
        };
        traffic_policy::limit(&mut passthrough, self.asked(None));
        passthrough
    }

    /// Leg 3 comes from addresses that the redirect rules know, so that it is not captured again.
    pub(super) fn bind_to_passthrough_source(&self) -> Option<BindConfig> {
        self.bind(Some("127.0.0.6"), Some("::6"))
    }

    /// The source of upstream connections, and the mark that identifies them if no user does.
    pub(super) fn bind(&self, source: Option<&str>, ipv6_source: Option<&str>) -> Option<BindConfig> {
        /// `SOL_SOCKET` and `SO_MARK` of Linux.
        const SOL_SOCKET: i32 = 1;
        const SO_MARK: i32 = 36;
        let any_port = |address: &str| SocketAddress { address: address.into(), port_value: 0, protocol: None };
        let socket_options = match self.placement.redirect {
            ProxyIdentity::Owner { .. } => vec![],
            ProxyIdentity::Mark(mark) => vec![SocketOption {
                description: "identifies the sidecar's connections".into(),
                level: SOL_SOCKET,
                name: SO_MARK,
                int_value: mark.cast_signed(),
                state: SocketState::StatePrebind,
            }],
        };
        (source.is_some() || !socket_options.is_empty()).then(|| BindConfig {
            source_address: source.map(any_port),
            extra_source_addresses: ipv6_source
                .map(|address| ExtraSourceAddress { address: any_port(address) })
                .into_iter()
                .collect(),
            socket_options,
        })
    }
}

/// The port that connections to a ServiceEntry's port are sent to.
pub(super) fn target_port(service: &Service, port: &ServicePort) -> Option<u16> {
    service.entry.as_ref()?.target_ports.get(&port.port).copied()
}

/// A cluster with inline endpoints.
pub(super) fn fixed(name: &str) -> Cluster {
    cluster(name, DiscoveryType::Static, LbPolicy::RoundRobin)
}

/// One endpoint for a cluster.
pub(super) fn one_endpoint(cluster: &str, address: &str, port: u16) -> ClusterLoadAssignment {
    let endpoint = Endpoint { address: Address::tcp(address, port), additional_addresses: vec![] };
    let lb_endpoints = vec![LbEndpoint { endpoint, metadata: None, load_balancing_weight: None }];
    ClusterLoadAssignment { cluster_name: cluster.into(), endpoints: vec![LocalityLbEndpoints { lb_endpoints }] }
}

pub(super) fn cluster(name: &str, discovery_type: DiscoveryType, lb_policy: LbPolicy) -> Cluster {
    Cluster {
        name: name.into(),
        discovery_type,
        eds_cluster_config: None,
        connect_timeout: None,
        lb_policy,
        load_assignment: None,
        transport_socket: None,
        transport_socket_matches: vec![],
        upstream_bind_config: None,
        typed_extension_protocol_options: BTreeMap::new(),
        dns_lookup_family: None,
        original_dst_lb_config: None,
        ring_hash_lb_config: None,
        round_robin_lb_config: None,
        least_request_lb_config: None,
        maglev_lb_config: None,
        common_lb_config: None,
        circuit_breakers: None,
        outlier_detection: None,
        upstream_connection_options: None,
        connection_pool_per_downstream_connection: false,
        alt_stat_name: String::new(),
        metadata: None,
    }
}

/// One socket for endpoints marked for mTLS, plaintext for the others.
fn by_mark(socket: TransportSocket) -> Vec<TransportSocketMatch> {
    let named =
        |name: &str, matcher, transport_socket| TransportSocketMatch { name: name.into(), matcher, transport_socket };
    vec![named("tlsMode-istio", marked(), socket), named("tlsMode-disabled", Map::new(), TransportSocket::raw_buffer())]
}

/// The metadata of an endpoint that accepts mTLS.
fn marked() -> Map<String, Value> {
    Map::from_iter([(TLS_MODE.into(), TLS_MODE_ISTIO.into())])
}

/// What Istio notes on a cluster for its metrics.
pub(super) fn service_metadata(services: &[&Service], mut notes: Map<String, Value>) -> Metadata {
    let noted = |service: &&Service| {
        let (name, namespace) = (&service.name.name, &service.name.namespace);
        json!({ "host": service.host, "name": name, "namespace": namespace })
    };
    let services = services.iter().map(noted).collect();
    notes.insert("services".into(), Value::Array(services));
    metadata("istio", notes)
}

fn metadata(filter: &str, fields: Map<String, Value>) -> Metadata {
    Metadata { filter_metadata: BTreeMap::from([(filter.into(), fields)]) }
}
