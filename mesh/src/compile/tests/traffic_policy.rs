//! What DestinationRules ask of clusters besides TLS.

use envoy_api::{
    CommonHttpProtocolOptions, ExplicitHttpConfig, ExtensionProtocolOptions, HttpProtocolOptions, Thresholds,
};
use pretty_assertions::assert_eq;

use super::*;
use crate::compile::Resource;

const CLUSTER: &str = "outbound|80||server.default.svc.cluster.local";

/// A pod's files, with a rule for the server.
fn ruled(pod: &str, spec: &str) -> PodConfig {
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: server}}\nspec: {{host: server, {spec}}}\n"
    );
    compiled(&format!("{MESH}---\n{rule}"), Flavor::Istio, pod, ProxyIdentity::ISTIO)
}

fn limits(cluster: &Cluster) -> [Option<u32>; 4] {
    let thresholds = &cluster.circuit_breakers.as_ref().expect("circuit breakers").thresholds;
    let Thresholds { max_connections, max_pending_requests, max_requests, max_retries, .. } = thresholds[0];
    [max_connections, max_pending_requests, max_requests, max_retries]
}

fn http(cluster: &Cluster) -> &HttpProtocolOptions {
    let ExtensionProtocolOptions::Http(options) =
        cluster.typed_extension_protocol_options.values().next().expect("options");
    options
}

const NONE: Option<u32> = Some(u32::MAX);

#[test]
fn a_cluster_has_no_limits_unless_a_rule_sets_them() {
    let config = ruled("client", "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}");
    assert_eq!(limits(config.cluster(CLUSTER)), [NONE; 4]);
    let pool = "connectionPool: {tcp: {maxConnections: 5, connectTimeout: 2s}, http: {http1MaxPendingRequests: 1, maxRetries: 2}}";
    let config = ruled("client", &format!("trafficPolicy: {{{pool}}}"));
    let cluster = config.cluster(CLUSTER);
    assert_eq!(limits(cluster), [Some(5), Some(1), NONE, Some(2)]);
    assert_eq!(cluster.connect_timeout.map(|timeout| timeout.0.as_secs()), Some(2));
    let why = config.why(&Resource::Cluster(CLUSTER.into())).expect("a reason");
    assert!(
        why.because.ends_with("; limits: maxConnections 5, http1MaxPendingRequests 1, maxRetries 2"),
        "{}",
        why.because
    );
}

#[test]
fn a_ports_settings_replace_those_of_the_destination_and_a_subset_adds_to_them() {
    let spec = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}";
    assert_eq!(limits(ruled("client", spec).cluster(CLUSTER)), [NONE; 4]);
    let spec = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}, subsets: [{name: a}, {name: b, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 3}}}}]";
    let config = ruled("client", spec);
    assert_eq!(limits(config.cluster("outbound|80|a|server.default.svc.cluster.local")), [Some(1), NONE, NONE, NONE]);
    assert_eq!(limits(config.cluster("outbound|80|b|server.default.svc.cluster.local")), [NONE, NONE, Some(3), NONE]);
}

#[test]
fn the_server_has_the_limits_of_its_clients() {
    let config = ruled("server", "trafficPolicy: {connectionPool: {http: {http2MaxRequests: 3}}}");
    let inbound =
        config.clusters.iter().find(|cluster| cluster.name.starts_with("inbound|")).expect("an inbound cluster");
    assert_eq!(limits(inbound)[2], Some(3));
}

/// A sidecar knows a service's rules even if none of its ports is captured (`selectDestinationRules` in `pilot/pkg/model/sidecar.go`).
#[test]
fn the_server_of_a_service_with_udp_ports_alone_has_the_limits_of_its_clients() {
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: dns}
spec: {selector: {app: server}, ports: [{name: dns, port: 53, targetPort: 5353, protocol: UDP}]}
";
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: dns}\nspec: {host: dns, trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}}\n";
    let config = compiled(&format!("{MESH}{service}---\n{rule}"), Flavor::Istio, "server", ProxyIdentity::ISTIO);
    assert_eq!(limits(config.cluster("inbound|5353||"))[0], Some(3));
}

#[test]
fn a_rule_upgrades_requests_to_http2_and_offers_it() {
    let spec = "trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, idleTimeout: 30s, maxRequestsPerConnection: 9}}}";
    let config = ruled("client", spec);
    let cluster = config.cluster(CLUSTER);
    assert!(matches!(http(cluster).explicit_http_config, Some(ExplicitHttpConfig::Http2ProtocolOptions(_))));
    let common = CommonHttpProtocolOptions {
        idle_timeout: Some(envoy_api::ProtoDuration(std::time::Duration::from_secs(30))),
        max_requests_per_connection: Some(9),
        max_connection_duration: None,
    };
    assert_eq!(http(cluster).common_http_protocol_options, Some(common));
    assert_eq!(client_tls(cluster).common_tls_context.alpn_protocols, ["istio-h2", "istio", "h2"]);
}

fn as_json(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn outlier_detection_is_enforced_where_it_has_a_number() {
    let asked = "outlierDetection: {consecutive5xxErrors: 3, consecutiveGatewayErrors: 0, interval: 5s, maxEjectionPercent: 50}";
    let config = ruled("client", &format!("trafficPolicy: {{{asked}}}"));
    let cluster = config.cluster(CLUSTER);
    let expected = serde_json::json!({
        "consecutive_5xx": 3, "enforcing_consecutive_5xx": 100,
        "consecutive_gateway_failure": 0, "enforcing_consecutive_gateway_failure": 0,
        "interval": "5s", "max_ejection_percent": 50, "enforcing_success_rate": 0,
    });
    assert_eq!(as_json(&cluster.outlier_detection), expected);
    assert_eq!(
        as_json(&cluster.common_lb_config),
        serde_json::json!({"healthy_panic_threshold": {}}),
        "never all of them"
    );
    let why = config.why(&Resource::Cluster(CLUSTER.into())).expect("a reason");
    assert!(
        why.because.ends_with("; ejects endpoints after consecutive5xxErrors 3, consecutiveGatewayErrors 0"),
        "{}",
        why.because
    );
}

#[test]
fn a_hash_is_the_clusters_policy_and_the_routes() {
    let config = ruled("client", "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}");
    let cluster = config.cluster(CLUSTER);
    assert_eq!(cluster.lb_policy, envoy_api::LbPolicy::RingHash);
    assert_eq!(as_json(&cluster.ring_hash_lb_config), serde_json::json!({"minimum_ring_size": "1024"}));
    let routes = config.routes.iter().find(|routes| routes.name == "80").expect("routes of port 80");
    let actions = routes.virtual_hosts.iter().flat_map(|host| &host.routes).filter_map(|route| route.route.as_ref());
    let hashed: Vec<_> = actions.filter(|action| !action.hash_policy.is_empty()).collect();
    assert_eq!(hashed.len(), 1, "only those of the rule's host");
    assert_eq!(as_json(&hashed[0].hash_policy), serde_json::json!([{"header": {"header_name": "x-user"}}]));
}

#[test]
fn calls_that_pass_through_have_no_endpoints_and_mtls_for_all() {
    let config = ruled("client", "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}");
    let cluster = config.cluster(CLUSTER);
    assert_eq!(cluster.discovery_type, envoy_api::DiscoveryType::OriginalDst);
    assert!(cluster.transport_socket.is_some() && cluster.transport_socket_matches.is_empty());
    assert!(config.endpoints.iter().all(|endpoints| endpoints.cluster_name != CLUSTER));
}

#[test]
fn new_endpoints_get_their_share_little_by_little() {
    let config = ruled("client", "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}}}");
    let expected = serde_json::json!({"slow_start_config": {
        "slow_start_window": "30s", "aggression": {"default_value": 1.0, "runtime_key": "("},
        "min_weight_percent": {"value": 10.0}}});
    assert_eq!(as_json(&config.cluster(CLUSTER).round_robin_lb_config), expected);
}

/// `applyTCPKeepalive` in `pilot/pkg/networking/core/cluster.go`, `shouldH2Upgrade` in `cluster_traffic_policy.go`.
#[test]
fn the_mesh_sets_what_no_rule_does() {
    let settings = "{connectTimeout: 3s, tcpKeepalive: {time: 60s, probes: 4}, h2UpgradePolicy: UPGRADE}";
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: server}\nspec: {host: server, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 7s}}}}}\n";
    let config = with(&format!("{}{rule}", mesh_config(settings)), Flavor::Istio, "client");
    let cluster = config.cluster(CLUSTER);
    assert_eq!(as_json(cluster)["connect_timeout"], "3s");
    let keepalive = serde_json::json!({"tcp_keepalive": {"keepalive_time": 7, "keepalive_probes": 4}});
    assert_eq!(as_json(cluster)["upstream_connection_options"], keepalive);
    assert!(matches!(http(cluster).explicit_http_config, Some(ExplicitHttpConfig::Http2ProtocolOptions(_))));
    let tcp = config.cluster("outbound|9000||server.default.svc.cluster.local");
    assert!(tcp.typed_extension_protocol_options.is_empty(), "only a port that says so speaks HTTP");
}
