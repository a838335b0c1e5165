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
