use envoy_api::{ListenerFilterConfig, TrafficDirection};
use pretty_assertions::assert_eq;

use super::*;

fn addresses(listener: &Listener) -> Vec<String> {
    let more = listener.additional_addresses.iter().map(|a| a.address.to_string());
    std::iter::once(listener.address.to_string()).chain(more).collect()
}

fn inspectors(listener: &Listener) -> Vec<&str> {
    listener.listener_filters.iter().map(|f| f.name.rsplit('.').next().expect("a name")).collect()
}

#[test]
fn the_app_is_met_by_a_listener_for_each_address_and_port() {
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = with("", flavor, "client");
        let names: Vec<_> = config.listeners.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "0.0.0.0_80",
                "0.0.0.0_8082",
                "10.96.0.10_9000",
                "10.96.0.10_8443",
                "10.96.0.10_7000",
                "virtualOutbound",
                "virtualInbound"
            ]
        );
    }
}

#[test]
fn listeners_are_for_both_families() {
    let config = with("", Flavor::Istio, "client");
    assert_eq!(addresses(config.listener("0.0.0.0_80")), ["0.0.0.0:80", "[::]:80"]);
    assert_eq!(addresses(config.listener("10.96.0.10_9000")), ["10.96.0.10:9000", "[fd00:96::a]:9000"]);
    assert_eq!(addresses(config.listener("virtualOutbound")), ["0.0.0.0:15001", "[::]:15001"]);
    assert_eq!(addresses(config.listener("virtualInbound")), ["0.0.0.0:15006", "[::]:15006"]);
}

#[test]
fn only_the_two_virtual_listeners_are_bound() {
    let config = with("", Flavor::Istio, "client");
    let bound: Vec<_> =
        config.listeners.iter().filter(|l| l.bind_to_port != Some(false)).map(|l| l.name.as_str()).collect();
    assert_eq!(bound, ["virtualOutbound", "virtualInbound"]);
    assert_eq!(config.listener("virtualOutbound").use_original_dst, Some(true));
    assert_eq!(config.listener("virtualOutbound").traffic_direction, Some(TrafficDirection::Outbound));
    assert_eq!(config.listener("virtualInbound").traffic_direction, Some(TrafficDirection::Inbound));
}

#[test]
fn istio_passes_on_what_is_not_http_on_an_http_port() {
    let config = with("", Flavor::Istio, "client");
    let listener = config.listener("0.0.0.0_80");
    assert_eq!(outlines(listener), ["raw_buffer http/1.1,h2c -> http 80"]);
    let default = listener.default_filter_chain.as_ref().expect("a default chain");
    assert_eq!(outline(default), "PassthroughFilterChain -> tcp PassthroughCluster");
    assert_eq!(inspectors(listener), ["http_inspector"]);
}

#[test]
fn the_textbook_parses_all_bytes_on_an_http_port() {
    let config = with("", Flavor::Textbook, "client");
    let listener = config.listener("0.0.0.0_80");
    assert_eq!(outlines(listener), ["-> http 80"]);
    assert_eq!(listener.default_filter_chain, None);
    assert_eq!(inspectors(listener), [""; 0]);
}

#[test]
fn opaque_ports_are_relayed_without_a_look() {
    let config = with("", Flavor::Istio, "client");
    for (name, cluster) in [("10.96.0.10_9000", "outbound|9000||"), ("10.96.0.10_8443", "outbound|8443||")] {
        let listener = config.listener(name);
        assert_eq!(outlines(listener), [format!("-> tcp {cluster}server.default.svc.cluster.local")]);
        assert_eq!(listener.default_filter_chain, None);
        assert_eq!(inspectors(listener), [""; 0]);
    }
}

#[test]
fn istio_finds_out_what_an_undeclared_port_speaks_and_offers_alpn_by_it() {
    let config = with("", Flavor::Istio, "client");
    let listener = config.listener("10.96.0.10_7000");
    assert_eq!(
        outlines(listener),
        [
            "raw_buffer http/1.1 -> offering istio-http/1.1,istio,http/1.1 http server.default.svc.cluster.local:7000",
            "raw_buffer h2c -> offering istio-h2,istio,h2 http server.default.svc.cluster.local:7000",
        ]
    );
    let default = listener.default_filter_chain.as_ref().expect("a default chain");
    assert_eq!(outline(default), "-> tcp outbound|7000||server.default.svc.cluster.local");
}

#[test]
fn the_textbook_takes_an_undeclared_port_for_opaque_tcp() {
    let config = with("", Flavor::Textbook, "client");
    let listener = config.listener("10.96.0.10_7000");
    assert_eq!(outlines(listener), ["-> tcp outbound|7000||server.default.svc.cluster.local"]);
    assert_eq!(inspectors(listener), [""; 0]);
}

#[test]
fn what_no_service_is_for_goes_where_the_outbound_traffic_policy_says() {
    for (policy, cluster, host) in
        [("ALLOW_ANY", "PassthroughCluster", "allow_any"), ("REGISTRY_ONLY", "BlackHoleCluster", "block_all")]
    {
        let policy = mesh_config(&format!("outboundTrafficPolicy: {{mode: {policy}}}"));
        let config = with(&policy, Flavor::Istio, "client");
        assert_eq!(
            outlines(config.listener("virtualOutbound")),
            [
                "virtualOutbound-blackhole to 15001 -> tcp BlackHoleCluster".into(),
                format!("virtualOutbound-catchall-tcp -> tcp {cluster}"),
            ]
        );
        let default = config.listener("0.0.0.0_80").default_filter_chain.as_ref().expect("a default chain");
        assert_eq!(outline(default), format!("PassthroughFilterChain -> tcp {cluster}"));
        let routes = config.routes.iter().find(|r| r.name == "80").expect("routes");
        assert_eq!(routes.virtual_hosts.last().expect("a catch-all").name, host);
    }
}

#[test]
fn only_the_textbook_reads_the_sni_of_what_leaves_the_mesh() {
    assert_eq!(inspectors(with("", Flavor::Istio, "client").listener("virtualOutbound")), [""; 0]);
    let config = with("", Flavor::Textbook, "client");
    let listener = config.listener("virtualOutbound");
    assert_eq!(inspectors(listener), ["original_dst", "tls_inspector"]);
    let disabled = serde_json::to_value(&listener.listener_filters[1].filter_disabled).expect("JSON");
    let ports: Vec<_> = disabled["or_match"]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|r| &r["destination_port_range"]["start"])
        .collect();
    assert_eq!(ports, [80, 7000, 8082, 8443, 9000], "services whose server speaks first are not held up");
}

#[test]
fn detection_waits_as_long_as_mesh_config_says() {
    let seconds =
        |config: &PodConfig, name: &str| config.listener(name).listener_filters_timeout.expect("a timeout").0.as_secs();
    let config = with("", Flavor::Istio, "client");
    assert_eq!(seconds(&config, "0.0.0.0_80"), 0, "for ever");
    let config = with(&mesh_config("protocolDetectionTimeout: 5s"), Flavor::Istio, "client");
    assert_eq!(seconds(&config, "0.0.0.0_80"), 5);
    assert_eq!(seconds(&config, "virtualInbound"), 5);
    assert_eq!(seconds(&config, "10.96.0.10_9000"), 0, "nothing is detected there");
}

#[test]
fn http_services_share_a_listener_and_are_distinguished_by_host() {
    let other = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: elsewhere}\n\
                 spec: {clusterIP: 10.96.0.99, clusterIPs: [10.96.0.99], ipFamilies: [IPv4], ports: [{name: http, port: 80}]}\n";
    let config = with(other, Flavor::Istio, "client");
    assert_eq!(config.listeners.iter().filter(|l| l.name == "0.0.0.0_80").count(), 1);
    let routes = config.routes.iter().find(|r| r.name == "80").expect("routes");
    let hosts: Vec<_> = routes.virtual_hosts.iter().map(|h| (h.name.as_str(), h.domains.join(" "))).collect();
    assert_eq!(
        hosts,
        [
            (
                "other.elsewhere.svc.cluster.local:80",
                "other.elsewhere.svc.cluster.local other.elsewhere.svc.cluster.local. other.elsewhere.svc \
                 other.elsewhere 10.96.0.99"
                    .to_owned()
            ),
            (
                "server.default.svc.cluster.local:80",
                "server.default.svc.cluster.local server.default.svc.cluster.local. server server.default.svc \
                 server.default 10.96.0.10 [fd00:96::a]"
                    .to_owned()
            ),
            ("allow_any", "*".to_owned()),
        ]
    );
}

#[test]
fn requests_are_retried_twice_as_istio_does() {
    let config = with("", Flavor::Istio, "client");
    let routes = config.routes.iter().find(|r| r.name == "80").expect("routes");
    let route = &routes.virtual_hosts[0].routes[0];
    let action = route.route.as_ref().expect("a cluster");
    let retries = action.retry_policy.as_ref().expect("retries");
    assert_eq!(retries.num_retries, Some(2));
    assert_eq!(retries.retry_on, "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
    assert_eq!(route.decorator.as_ref().expect("a name").operation, "server.default.svc.cluster.local:80/*");
}

#[test]
fn mesh_config_says_how_often_requests_are_retried_of_which_no_route_says_it() {
    const ASKING: &str = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server}
spec: {hosts: [server], http: [{route: [{destination: {host: server}}], RETRIES}]}
";
    let retries = |mesh: &str, service: &str| {
        let config = with(&(mesh_config(mesh) + service), Flavor::Istio, "client");
        let routes = config.routes.iter().find(|routes| routes.name == "80").expect("routes");
        let host = routes.virtual_hosts.iter().find(|host| host.name.starts_with("server.")).expect("the service");
        host.routes[0].route.as_ref().expect("a cluster").retry_policy.as_ref().and_then(|policy| policy.num_retries)
    };
    let silent = ASKING.replace(", RETRIES", "");
    let own = ASKING.replace("RETRIES", "retries: {attempts: 1}");
    for (mesh, service, expected) in [
        ("", "", Some(2)),
        ("defaultHttpRetryPolicy: {attempts: 5}", "", Some(5)),
        ("defaultHttpRetryPolicy: {attempts: 5}", &silent, Some(5)),
        ("defaultHttpRetryPolicy: {attempts: 5}", &own, Some(1)),
        ("defaultHttpRetryPolicy: {attempts: 0}", "", None),
    ] {
        assert_eq!(retries(mesh, service), expected, "{mesh} {service}");
    }
}

#[test]
fn each_address_of_a_headless_services_pods_has_a_listener() {
    let headless = |families: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: pods}}\n\
             spec: {{clusterIP: None, {families}selector: {{app: server}}, ports: [{{name: tcp, port: 9090}}]}}\n"
        )
    };
    let bound = |manifests: &str, pod| -> Vec<String> {
        let config = with(manifests, Flavor::Istio, pod);
        let listeners = config.listeners.iter().filter(|l| l.name.ends_with("_9090"));
        listeners.flat_map(|l| addresses(l).into_iter().chain(outlines(l))).collect()
    };
    let relay = "-> tcp outbound|9090||pods.default.svc.cluster.local";
    let both = headless("ipFamilyPolicy: PreferDualStack, ");
    assert_eq!(bound(&both, "client"), ["10.244.0.3:9090", relay, "[fd00:244::3]:9090", relay]);
    assert_eq!(bound(&headless(""), "client"), ["10.244.0.3:9090", relay]);
    assert_eq!(bound(&headless("ipFamilies: [IPv6], "), "client"), ["[fd00:244::3]:9090", relay]);
    // What Istio leaves out is what has the pod's first address.
    assert_eq!(bound(&both, "server"), ["[fd00:244::3]:9090", relay]);
}

#[test]
fn every_connection_is_logged_once() {
    for flavor in [Flavor::Istio, Flavor::Textbook] {
        let config = with("", flavor, "server");
        for listener in &config.listeners {
            let chains = listener.filter_chains.iter().chain(listener.default_filter_chain.as_deref());
            for filter in chains.filter_map(|chain| chain.filters.last()) {
                let logs = match &filter.typed_config {
                    NetworkFilter::TcpProxy(tcp) => &tcp.access_log,
                    NetworkFilter::HttpConnectionManager(http) => &http.access_log,
                    NetworkFilter::SetFilterState(_) | NetworkFilter::Rbac(_) => panic!("not a terminal filter"),
                };
                assert_eq!(logs.len(), 1, "{}", listener.name);
            }
            let bound = listener.bind_to_port.is_none();
            assert_eq!(listener.access_log.len(), usize::from(bound), "{}: and what finds no chain", listener.name);
        }
    }
}

#[test]
fn the_original_destination_is_recovered_by_the_listener_itself_outbound_and_by_a_filter_inbound() {
    let config = with("", Flavor::Istio, "server");
    let original_dst = |listener: &Listener| {
        listener.listener_filters.iter().any(|f| matches!(f.typed_config, ListenerFilterConfig::OriginalDst(_)))
    };
    assert!(!original_dst(config.listener("virtualOutbound")));
    assert!(original_dst(config.listener("virtualInbound")));
}
