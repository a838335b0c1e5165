use std::net::SocketAddr;

use envoy_api::{
    Address, DiscoveryType, Endpoint as ConfiguredEndpoint, LbEndpoint, LbPolicy, LocalityLbEndpoints, Metadata,
    TRANSPORT_SOCKET_MATCH, TransportSocket, TransportSocketMatch, UpstreamTlsContext,
};
use serde_json::{Map, json};
use tokio::net::TcpListener;

use super::*;
use crate::{
    address::{OriginalDst, UpstreamHost},
    cluster::{ConnectContext, ConnectFailure},
};
use envoy_rules::{outcome::ConnectError, outlier::Sign};

fn config(discovery_type: &str) -> envoy_api::Cluster {
    envoy_api::read_value(json!({"name": "c", "type": discovery_type})).unwrap()
}

fn assignment(endpoints: &[(SocketAddr, Option<Metadata>)]) -> ClusterLoadAssignment {
    let lb_endpoints = endpoints.iter().map(|(address, metadata)| LbEndpoint {
        endpoint: ConfiguredEndpoint {
            address: Address::tcp(address.ip().to_string(), address.port()),
            additional_addresses: vec![],
        },
        metadata: metadata.clone(),
        load_balancing_weight: None,
    });
    ClusterLoadAssignment {
        cluster_name: "c".into(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints: lb_endpoints.collect() }],
    }
}

fn of_static(endpoints: &[SocketAddr]) -> Cluster {
    let endpoints: Vec<_> = endpoints.iter().map(|address| (*address, None)).collect();
    let config = envoy_api::Cluster { load_assignment: Some(assignment(&endpoints)), ..config("STATIC") };
    Cluster::new(&config, &Stats::default()).unwrap()
}

#[test]
fn a_cluster_without_endpoints_has_no_healthy_upstream() {
    let failure = of_static(&[]).pick(&ConnectContext::default()).unwrap_err();
    assert_eq!(failure, ConnectFailure::NoHealthyUpstream);
}

#[test]
fn round_robin_alternates_between_endpoints() {
    let addresses = ["10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap()];
    let cluster = of_static(&addresses);
    let picked: Vec<_> = (0..4).map(|_| cluster.pick(&ConnectContext::default()).unwrap().host.0).collect();
    assert_eq!(picked, [addresses[0], addresses[1], addresses[0], addresses[1]]);
}

#[test]
fn an_original_dst_cluster_uses_the_original_destination() {
    let cluster = Cluster::new(&config("ORIGINAL_DST"), &Stats::default()).unwrap();
    let dst = OriginalDst("[fd00::1]:80".parse().unwrap());
    let context = ConnectContext { original_dst: Some(dst), ..ConnectContext::default() };
    assert_eq!(cluster.pick(&context).unwrap().host.0, dst.0);
    assert!(cluster.pick(&ConnectContext::default()).is_err());
}

#[test]
fn an_original_dst_cluster_can_override_the_port() {
    let config = envoy_api::read_value(json!({
        "name": "c", "type": "ORIGINAL_DST", "original_dst_lb_config": {"upstream_port_override": 443}
    }));
    let cluster = Cluster::new(&config.unwrap(), &Stats::default()).unwrap();
    let dst = OriginalDst("203.0.113.1:80".parse().unwrap());
    let context = ConnectContext { original_dst: Some(dst), ..ConnectContext::default() };
    assert_eq!(cluster.pick(&context).unwrap().host.0.to_string(), "203.0.113.1:443");
}

#[test]
fn metadata_selects_the_transport_socket() {
    let tls_mode = |value: &str| Map::from_iter([("tlsMode".to_owned(), json!(value))]);
    let of_mode =
        |value: &str| Metadata { filter_metadata: [(TRANSPORT_SOCKET_MATCH.to_owned(), tls_mode(value))].into() };
    let config = envoy_api::Cluster {
        transport_socket_matches: vec![
            TransportSocketMatch {
                name: "istio".into(),
                matcher: tls_mode("istio"),
                transport_socket: TransportSocket::upstream_tls(UpstreamTlsContext::default()),
            },
            TransportSocketMatch {
                name: "raw".into(),
                matcher: Map::new(),
                transport_socket: TransportSocket::raw_buffer(),
            },
        ],
        load_assignment: Some(assignment(&[
            ("10.0.0.1:1".parse().unwrap(), Some(of_mode("istio"))),
            ("10.0.0.2:1".parse().unwrap(), None),
            ("10.0.0.3:1".parse().unwrap(), Some(of_mode("disabled"))),
        ])),
        ..config("STATIC")
    };
    let cluster = Cluster::new(&config, &Stats::default()).unwrap();
    let tls: Vec<_> = cluster.endpoints().iter().map(|e| matches!(e.transport(), Transport::Tls(_))).collect();
    assert_eq!(tls, [true, false, false]);
}

#[test]
fn fields_that_do_not_fit_the_type_are_refused() {
    let error = |config: &envoy_api::Cluster| Cluster::new(config, &Stats::default()).unwrap_err().to_string();
    assert!(error(&config("EDS")).starts_with("eds_cluster_config"));
    assert!(error(&config("STRICT_DNS")).starts_with("load_assignment"));
    let named = envoy_api::Cluster { load_assignment: Some(assignment(&[])), ..config("ORIGINAL_DST") };
    assert!(error(&named).starts_with("load_assignment"));
    assert_eq!(config("EDS").discovery_type, DiscoveryType::Eds);
    assert_eq!(config("EDS").lb_policy, LbPolicy::RoundRobin);
}

#[tokio::test]
async fn a_connection_is_counted_while_it_is_open() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cluster = of_static(&[server.local_addr().unwrap()]);
    let endpoint = cluster.pick(&ConnectContext::default()).unwrap();
    let connected = cluster.connect(&endpoint, &ConnectContext::default()).await.unwrap();
    assert_eq!((endpoint.active(), cluster.stats.cx_active.get()), (1, 1));
    drop(connected);
    assert_eq!((endpoint.active(), cluster.stats.cx_active.get()), (0, 0));
}

#[tokio::test]
async fn a_closed_port_is_reported_in_envoys_wording() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // closed again
    let cluster = of_static(&[address]);
    let endpoint = cluster.pick(&ConnectContext::default()).unwrap();
    let ConnectFailure::Endpoint(_, error) = cluster.connect(&endpoint, &ConnectContext::default()).await.unwrap_err()
    else {
        panic!("there was an endpoint");
    };
    assert_eq!(error, ConnectError::Refused("delayed_connect_error: Connection refused".into()));
    assert_eq!(cluster.stats.cx_connect_fail.get(), 1);
}

#[tokio::test]
async fn the_source_address_has_the_destinations_ip_version() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let config = envoy_api::Cluster {
        load_assignment: Some(assignment(&[(address, None)])),
        upstream_bind_config: Some(
            envoy_api::read_value(json!({
                "source_address": {"address": "::6"},
                "extra_source_addresses": [{"address": {"address": "127.0.0.6"}}]
            }))
            .unwrap(),
        ),
        ..config("STATIC")
    };
    let cluster = Cluster::new(&config, &Stats::default()).unwrap();
    let endpoint = cluster.pick(&ConnectContext::default()).unwrap();
    let connected = cluster.connect(&endpoint, &ConnectContext::default()).await.unwrap();
    assert_eq!(connected.info.local.unwrap().0.ip().to_string(), "127.0.0.6");
}

/// A cluster of three endpoints that ejects one at its first failure.
fn detecting(max_ejection_percent: u32) -> (Cluster, [UpstreamHost; 3]) {
    let hosts: [SocketAddr; 3] = [1, 2, 3].map(|i| ([10, 0, 0, i], 1).into());
    let fields = json!({"name": "c", "type": "STATIC", "common_lb_config": {"healthy_panic_threshold": {}},
        "outlier_detection": {"consecutive_5xx": 1, "enforcing_success_rate": 0,
                              "max_ejection_percent": max_ejection_percent}});
    let config = envoy_api::Cluster {
        load_assignment: Some(assignment(&hosts.map(|host| (host, None)))),
        ..envoy_api::read_value(fields).unwrap()
    };
    (Cluster::new(&config, &Stats::default()).unwrap(), hosts.map(UpstreamHost))
}

#[test]
fn an_endpoint_that_fails_is_not_chosen_any_more() {
    let (cluster, [first, second, third]) = detecting(100);
    let picked = || cluster.pick(&ConnectContext::default()).map(|endpoint| endpoint.host);
    cluster.observe(first, Sign::Response(500));
    assert!((0..10).all(|_| picked() != Ok(first)));
    cluster.observe(second, Sign::Failed);
    assert!((0..10).all(|_| picked() == Ok(third)));
    cluster.observe(third, Sign::TimedOut);
    assert_eq!(picked(), Err(ConnectFailure::NoHealthyUpstream));
}

#[test]
fn not_more_are_ejected_than_the_share_allows() {
    let (cluster, hosts) = detecting(10);
    cluster.observe(hosts[0], Sign::Failed);
    assert!(cluster.endpoints().iter().all(|endpoint| !endpoint.is_ejected()));
    let (cluster, hosts) = detecting(50);
    hosts.iter().for_each(|host| cluster.observe(*host, Sign::Failed));
    assert_eq!(cluster.endpoints().iter().filter(|endpoint| endpoint.is_ejected()).count(), 1);
}

#[test]
fn an_ejected_endpoint_stays_ejected_when_the_endpoints_are_pushed_again() {
    let (cluster, hosts) = detecting(100);
    cluster.observe(hosts[0], Sign::Failed);
    cluster.set_endpoints(&assignment(&hosts.map(|host| (host.0, None)))).unwrap();
    assert!(cluster.endpoints()[0].is_ejected() && !cluster.endpoints()[1].is_ejected());
}

#[test]
fn several_localities_whose_weights_count_are_refused() {
    let fields = json!({"name": "c", "type": "EDS", "eds_cluster_config": {"eds_config": {"path_config_source": {"path": "/e"}}},
                        "common_lb_config": {"locality_weighted_lb_config": {}}});
    let cluster = Cluster::new(&envoy_api::read_value(fields).unwrap(), &Stats::default()).unwrap();
    let one = assignment(&[(([10, 0, 0, 1], 1).into(), None)]);
    cluster.set_endpoints(&one).unwrap();
    let two = ClusterLoadAssignment { endpoints: [&one.endpoints[..], &one.endpoints[..]].concat(), ..one.clone() };
    assert!(cluster.set_endpoints(&two).unwrap_err().to_string().contains("several localities"));
}
