use envoy_api::{DiscoveryType, ExplicitHttpConfig, ExtensionProtocolOptions, HttpProtocolOptions, LbPolicy};
use pretty_assertions::assert_eq;

use super::*;
use crate::compile::Resource;

const HOST: &str = "server.default.svc.cluster.local";

fn outbound(config: &PodConfig, port: u16) -> &Cluster {
    config.cluster(&format!("outbound|{port}||{HOST}"))
}

fn http_options(cluster: &Cluster) -> Option<&HttpProtocolOptions> {
    cluster.typed_extension_protocol_options.values().next().map(|ExtensionProtocolOptions::Http(options)| options)
}

/// `ADDRESS:PORT`, and whether mTLS is meant for it.
fn endpoints(config: &PodConfig, cluster: &str) -> Vec<(String, bool)> {
    let endpoints = config.endpoints.iter().find(|e| e.cluster_name == cluster).expect("endpoints");
    let all = endpoints.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
    all.map(|e| (e.endpoint.address.to_string(), e.metadata.is_some())).collect()
}

#[test]
fn istio_offers_alpn_by_what_a_port_speaks() {
    let config = with("", Flavor::Istio, "client");
    let offered = |port| client_tls(outbound(&config, port)).common_tls_context.alpn_protocols.join(",");
    assert_eq!(offered(80), "istio-http/1.1,istio,http/1.1");
    assert_eq!(offered(8082), "istio-h2,istio,h2");
    for port in [9000, 8443, 7000] {
        assert_eq!(offered(port), "istio-peer-exchange,istio");
    }
}

#[test]
fn the_textbook_offers_one_alpn_for_everything() {
    let config = with("", Flavor::Textbook, "client");
    for port in [80, 8082, 9000, 8443, 7000] {
        let tls = client_tls(outbound(&config, port));
        assert_eq!(tls.common_tls_context.alpn_protocols, ["istio-peer-exchange"]);
    }
}

#[test]
fn the_sni_names_the_service_port_and_host() {
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = with("", flavor, "client");
        assert_eq!(client_tls(outbound(&config, 80)).sni, format!("outbound_.80_._.{HOST}"));
    }
}

#[test]
fn the_client_takes_only_the_service_accounts_behind_the_service() {
    let more = "apiVersion: v1\nkind: Pod\nmetadata: {name: another, labels: {app: server}}\n\
                spec: {containers: [{name: app, image: sidelab/demo-server}]}\n";
    let identities = |flavor| {
        let config = with(more, flavor, "client");
        let tls = client_tls(outbound(&config, 80)).clone();
        let checks = tls.common_tls_context.combined_validation_context.expect("checks").default_validation_context;
        checks
            .match_typed_subject_alt_names
            .into_iter()
            .filter_map(|m| m.matcher.as_exact().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        identities(Flavor::Istio),
        ["spiffe://cluster.local/ns/default/sa/default", "spiffe://cluster.local/ns/default/sa/server"]
    );
    assert_eq!(identities(Flavor::Textbook), [""; 0], "the mesh root alone");
}

#[test]
fn nothing_is_resumed_and_every_key_is_logged() {
    let config = with("", Flavor::Istio, "client");
    let tls = client_tls(outbound(&config, 80));
    assert_eq!(tls.max_session_keys, Some(0));
    let key_log = tls.common_tls_context.key_log.as_ref().expect("a key log");
    assert_eq!(key_log.path.to_str(), Some("/var/log/sidecar/keys.log"));
}

#[test]
fn automatic_mtls_is_by_endpoint() {
    let legacy = "apiVersion: v1\nkind: Pod\nmetadata: {name: legacy, labels: {app: server, sidecar.istio.io/inject: 'false'}}\n\
                  spec: {containers: [{name: app, image: sidelab/demo-server}]}\n";
    let config = with(legacy, Flavor::Istio, "client");
    let cluster = outbound(&config, 80);
    assert_eq!((cluster.discovery_type, cluster.lb_policy), (DiscoveryType::Eds, LbPolicy::LeastRequest));
    let matches: Vec<_> = cluster.transport_socket_matches.iter().map(|m| (m.name.as_str(), m.matcher.len())).collect();
    assert_eq!(matches, [("tlsMode-istio", 1), ("tlsMode-disabled", 0)]);
    let legacy_and_server = endpoints(&config, &cluster.name);
    assert_eq!(legacy_and_server.iter().map(|(_, mtls)| *mtls).collect::<Vec<_>>(), [false, true]);
    assert!(legacy_and_server.iter().all(|(address, _)| address.ends_with(":8080")), "{legacy_and_server:?}");
}

#[test]
fn an_endpoint_whose_port_says_disable_gets_plaintext() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: server}\n\
                  spec: {selector: {matchLabels: {app: server}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}\n";
    let config = with(policy, Flavor::Istio, "client");
    let mtls = |port: u16| endpoints(&config, &format!("outbound|{port}||{HOST}"))[0].1;
    assert!(!mtls(80));
    assert!(mtls(9000));
    let cluster = outbound(&config, 80);
    let (host, port) = endpoints(&config, &cluster.name)[0]
        .0
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.parse().unwrap()))
        .unwrap();
    let why = config.why(&Resource::Endpoint { cluster: cluster.name.clone(), host, port }).expect("a reason");
    assert!(why.source.to_string().contains("portLevelMtls"), "{}", why.source);
}

#[test]
fn a_namespace_that_says_disable_gets_plaintext_even_where_a_workload_says_strict() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\nspec: {mtls: {mode: DISABLE}}\n";
    let config = with(&format!("{policy}---\n{}", server_mode("STRICT")), Flavor::Istio, "client");
    let cluster = outbound(&config, 80);
    assert!(cluster.transport_socket.is_none() && cluster.transport_socket_matches.is_empty());
}

#[test]
fn without_automatic_mtls_all_is_plaintext() {
    let config = with(&mesh_config("enableAutoMtls: false"), Flavor::Istio, "client");
    let cluster = outbound(&config, 80);
    assert!(cluster.transport_socket.is_none() && cluster.transport_socket_matches.is_empty());
}

#[test]
fn a_headless_service_is_mtls_for_all_of_its_pods_or_for_none() {
    let headless = "apiVersion: v1\nkind: Service\nmetadata: {name: pods}\n\
                    spec: {clusterIP: None, selector: {app: server}, ports: [{name: tcp, port: 9090}]}\n";
    let legacy = "apiVersion: v1\nkind: Pod\nmetadata: {name: legacy, labels: {app: server, sidecar.istio.io/inject: 'false'}}\n\
                  spec: {containers: [{name: app, image: sidelab/demo-server}]}\n";
    let name = "outbound|9090||pods.default.svc.cluster.local";
    let all = with(headless, Flavor::Istio, "client");
    assert_eq!(all.cluster(name).discovery_type, DiscoveryType::OriginalDst);
    assert_eq!(client_tls(all.cluster(name)).sni, "outbound_.9090_._.pods.default.svc.cluster.local");
    assert!(all.endpoints.iter().all(|e| e.cluster_name != name), "it goes where the app was going");
    let some = with(&format!("{headless}---\n{legacy}"), Flavor::Istio, "client");
    assert!(some.cluster(name).transport_socket.is_none());
}

#[test]
fn a_cluster_speaks_the_http_that_the_port_is_named_for() {
    let config = with("", Flavor::Istio, "client");
    let explicit = |port| http_options(outbound(&config, port)).and_then(|o| o.explicit_http_config.as_ref());
    assert!(matches!(explicit(80), Some(ExplicitHttpConfig::HttpProtocolOptions(_))));
    assert!(matches!(explicit(8082), Some(ExplicitHttpConfig::Http2ProtocolOptions(_))));
    assert_eq!(http_options(outbound(&config, 9000)), None);
    let detected = http_options(outbound(&config, 7000)).expect("options");
    assert!(detected.use_downstream_protocol_config.is_some(), "what the app spoke");
}

#[test]
fn endpoints_are_of_the_family_of_the_services_first_address() {
    let v6 = "apiVersion: v1\nkind: Service\nmetadata: {name: v6}\n\
              spec: {ipFamilies: [IPv6], selector: {app: server}, ports: [{name: tcp, port: 9000}]}\n";
    let config = with(v6, Flavor::Istio, "client");
    assert!(endpoints(&config, &format!("outbound|9000||{HOST}"))[0].0.starts_with("10.244."));
    assert!(endpoints(&config, "outbound|9000||v6.default.svc.cluster.local")[0].0.starts_with("[fd00:244::"));
}

#[test]
fn istio_dials_the_app_where_the_connection_was_going_from_an_address_that_is_not_captured() {
    let config = with("", Flavor::Istio, "server");
    for name in ["inbound|8080||", "inbound|9000||", "InboundPassthroughCluster"] {
        let cluster = config.cluster(name);
        assert_eq!(
            (cluster.discovery_type, cluster.lb_policy),
            (DiscoveryType::OriginalDst, LbPolicy::ClusterProvided)
        );
        let bind = cluster.upstream_bind_config.as_ref().expect("a source");
        assert_eq!(bind.source_address.as_ref().expect("IPv4").address, "127.0.0.6");
        assert_eq!(bind.extra_source_addresses[0].address.address, "::6");
    }
    assert!(!config.has_cluster("inbound|8080|ipv6|"));
}

#[test]
fn the_textbook_dials_the_app_on_loopback() {
    let config = with("", Flavor::Textbook, "server");
    for (name, address) in [("inbound|8080||", "127.0.0.1:8080"), ("inbound|8080|ipv6|", "[::1]:8080")] {
        let cluster = config.cluster(name);
        assert_eq!((cluster.discovery_type, &cluster.upstream_bind_config), (DiscoveryType::Static, &None));
        let endpoints = &cluster.load_assignment.as_ref().expect("an endpoint").endpoints[0].lb_endpoints;
        assert_eq!(endpoints[0].endpoint.address.to_string(), address);
    }
}

#[test]
fn a_mark_is_on_every_connection_that_the_sidecar_opens() {
    let config = compiled(MESH, Flavor::Istio, "server", ProxyIdentity::Mark(1337));
    for cluster in config.clusters.iter().filter(|cluster| cluster.name != "BlackHoleCluster") {
        let bind = cluster.upstream_bind_config.as_ref().unwrap_or_else(|| panic!("{} is not marked", cluster.name));
        let [option] = &bind.socket_options[..] else { panic!("{}", cluster.name) };
        assert_eq!((option.level, option.name, option.int_value), (1, 36, 1337), "SOL_SOCKET, SO_MARK");
    }
    let owned = with("", Flavor::Istio, "server");
    assert_eq!(outbound(&owned, 80).upstream_bind_config, None, "the user tells");
}
