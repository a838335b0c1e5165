use envoy_api::{CodecType, ForwardClientCertDetails, HttpConnectionManager, StringMatcher};
use pretty_assertions::assert_eq;

use super::*;
use crate::compile::Resource;

const HTTP_SET: &str = "istio-http/1.0,istio-http/1.1,istio-h2";
const ALL: &str = "istio-http/1.0,istio-http/1.1,istio-h2,istio-peer-exchange,istio";

/// The chains of virtualInbound for a port, or with `None` for all other ports.
fn chains_of(config: &PodConfig, port: Option<u16>) -> Vec<String> {
    let chains = config.listener("virtualInbound").filter_chains.iter();
    let of_port = |chain: &&FilterChain| chain.filter_chain_match.as_ref().and_then(|m| m.destination_port) == port;
    chains.filter(of_port).map(outline).collect()
}

fn managers(config: &PodConfig) -> Vec<(&FilterChain, &HttpConnectionManager)> {
    let chains = config.listener("virtualInbound").filter_chains.iter();
    chains
        .filter_map(|chain| match &chain.filters.last()?.typed_config {
            NetworkFilter::HttpConnectionManager(http) => Some((chain, http)),
            _ => None,
        })
        .collect()
}

/// The inspectors of virtualInbound, each with where it does not look.
fn inspectors(config: &PodConfig) -> Vec<String> {
    let filters = config.listener("virtualInbound").listener_filters.iter().skip(1);
    filters
        .map(|filter| {
            let name = filter.name.rsplit('.').next().expect("a name");
            match &filter.filter_disabled {
                None => name.into(),
                Some(predicate) => {
                    let json = serde_json::to_string(predicate).expect("JSON");
                    let ports: Vec<_> = json.split("\"start\":").skip(1).filter_map(|s| s.split(',').next()).collect();
                    let only = if json.contains("not_match") { "only on" } else { "not on" };
                    format!("{name} {only} {}", ports.join(" "))
                }
            }
        })
        .collect()
}

#[test]
fn chains_are_by_container_port_and_nothing_loops() {
    let config = with(&server_mode("STRICT"), Flavor::Istio, "server");
    assert_eq!(
        outlines(config.listener("virtualInbound")),
        [
            "virtualInbound-blackhole to 15006 -> tcp BlackHoleCluster".to_owned(),
            format!("virtualInbound-catchall-http tls {HTTP_SET} -> mtls http InboundPassthroughCluster"),
            "virtualInbound tls -> mtls tcp InboundPassthroughCluster".into(),
            format!("0.0.0.0_7000 to 7000 tls {HTTP_SET} -> mtls http inbound|7000||"),
            "0.0.0.0_7000 to 7000 tls -> mtls tcp inbound|7000||".into(),
            "0.0.0.0_8080 to 8080 tls -> mtls http inbound|8080||".into(),
            "0.0.0.0_8082 to 8082 tls -> mtls http inbound|8082||".into(),
            "0.0.0.0_8443 to 8443 tls -> mtls tcp inbound|8443||".into(),
            "0.0.0.0_9000 to 9000 tls -> mtls tcp inbound|9000||".into(),
        ]
    );
}

#[test]
fn without_a_policy_a_port_is_permissive() {
    let config = with("", Flavor::Istio, "server");
    assert_eq!(
        chains_of(&config, Some(8080)),
        [
            format!("0.0.0.0_8080 to 8080 tls {ALL} -> mtls http inbound|8080||"),
            "0.0.0.0_8080 to 8080 raw_buffer -> http inbound|8080||".into(),
        ]
    );
    assert_eq!(
        chains_of(&config, None),
        [
            format!("virtualInbound-catchall-http tls {HTTP_SET} -> mtls http InboundPassthroughCluster"),
            "virtualInbound-catchall-http raw_buffer http/1.1,h2c -> http InboundPassthroughCluster".into(),
            "virtualInbound tls istio-peer-exchange,istio -> mtls tcp InboundPassthroughCluster".into(),
            "virtualInbound raw_buffer -> tcp InboundPassthroughCluster".into(),
            "virtualInbound tls -> tcp InboundPassthroughCluster".into(),
        ]
    );
}

#[test]
fn textbook_chains_are_by_family_since_the_app_is_dialled_on_loopback() {
    let config = with(&server_mode("STRICT"), Flavor::Textbook, "server");
    assert_eq!(
        chains_of(&config, Some(8080)),
        [
            "0.0.0.0_8080 to 8080 in 0.0.0.0/0 tls istio-peer-exchange -> mtls http inbound|8080||",
            "::_8080 to 8080 in ::/0 tls istio-peer-exchange -> mtls http inbound|8080|ipv6|",
        ]
    );
    assert_eq!(
        chains_of(&config, Some(7000)),
        [
            "0.0.0.0_7000 to 7000 in 0.0.0.0/0 tls istio-peer-exchange -> mtls tcp inbound|7000||",
            "::_7000 to 7000 in ::/0 tls istio-peer-exchange -> mtls tcp inbound|7000|ipv6|",
        ]
    );
    assert_eq!(
        chains_of(&config, None),
        ["virtualInbound tls istio-peer-exchange -> mtls tcp InboundPassthroughCluster"]
    );
}

#[test]
fn a_port_level_mode_is_for_the_container_port() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: server}\n\
                  spec: {selector: {matchLabels: {app: server}}, mtls: {mode: STRICT}, \
                  portLevelMtls: {8080: {mode: DISABLE}, 80: {mode: DISABLE}}}\n";
    let config = with(policy, Flavor::Istio, "server");
    assert_eq!(chains_of(&config, Some(8080)), ["0.0.0.0_8080 to 8080 raw_buffer -> http inbound|8080||"]);
    assert_eq!(chains_of(&config, Some(9000)), ["0.0.0.0_9000 to 9000 tls -> mtls tcp inbound|9000||"]);
    // 80 is the service's port: no service sends to that container port, so that it is passed through.
    assert_eq!(
        chains_of(&config, Some(80)),
        [
            "virtualInbound-catchall-http to 80 raw_buffer http/1.1,h2c -> http InboundPassthroughCluster",
            "virtualInbound to 80 raw_buffer -> tcp InboundPassthroughCluster",
        ]
    );
}

#[test]
fn inspectors_look_only_where_a_chain_asks() {
    let inspectors = |mode: &str| inspectors(&with(&server_mode(mode), Flavor::Istio, "server"));
    let declared = "http_inspector not on 8080 8082 8443 9000 15006";
    assert_eq!(inspectors("PERMISSIVE"), ["tls_inspector not on 15006", declared]);
    assert_eq!(inspectors("STRICT"), ["tls_inspector not on 15006"]);
    assert_eq!(inspectors("DISABLE"), [declared]);
}

#[test]
fn tls_is_looked_for_only_on_the_port_that_takes_it() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: server}\n\
                  spec: {selector: {matchLabels: {app: server}}, mtls: {mode: DISABLE}, \
                  portLevelMtls: {9000: {mode: STRICT}}}\n";
    let config = with(policy, Flavor::Istio, "server");
    assert_eq!(inspectors(&config)[0], "tls_inspector only on 9000");
}

#[test]
fn the_textbook_looks_for_tls_on_disable_ports_to_refuse_it() {
    let config = with(&server_mode("DISABLE"), Flavor::Textbook, "server");
    assert_eq!(inspectors(&config), ["tls_inspector"]);
}

#[test]
fn the_app_learns_who_called() {
    let config = with("", Flavor::Istio, "server");
    for (_, http) in managers(&config) {
        assert_eq!(http.forward_client_cert_details, ForwardClientCertDetails::AppendForward);
        let details = http.set_current_client_cert_details.as_ref().expect("details");
        assert_eq!((details.subject, details.uri, details.dns), (Some(true), true, true));
        assert_eq!(http.server_name, "istio-envoy");
    }
}

#[test]
fn requests_to_the_app_are_retried_only_if_they_never_reached_it_and_grpc_never() {
    let config = with("", Flavor::Istio, "server");
    for (chain, http) in managers(&config) {
        let routes = http.route_config.as_ref().expect("routes in place");
        let route = &routes.virtual_hosts[0].routes[0];
        assert_eq!(route.name, "default");
        let retries = route.route.as_ref().expect("a cluster").retry_policy.as_ref();
        let expected = (chain.name != "0.0.0.0_8082").then_some("reset-before-request");
        assert_eq!(retries.map(|r| r.retry_on.as_str()), expected, "{}", chain.name);
    }
}

#[test]
fn apps_are_found_on_loopback_where_mesh_config_says_so() {
    let address = |mode: &str| {
        let config = with(&mesh_config(&format!("inboundTrafficPolicy: {{mode: {mode}}}")), Flavor::Istio, "server");
        let endpoints = config.cluster("inbound|8080||").load_assignment.as_ref().map(|all| &all.endpoints[0]);
        endpoints.map(|endpoints| endpoints.lb_endpoints[0].endpoint.address.to_string())
    };
    assert_eq!(address("PASSTHROUGH"), None);
    assert_eq!(address("LOCALHOST").as_deref(), Some("127.0.0.1:8080"));
}

#[test]
fn the_textbook_knows_http2_by_the_ports_name() {
    let codecs = |flavor| {
        let config = with(&server_mode("STRICT"), flavor, "server");
        let of = |name| managers(&config).into_iter().find(|(chain, _)| chain.name == name).map(|(_, h)| h.codec_type);
        [of("0.0.0.0_8080"), of("0.0.0.0_8082")]
    };
    assert_eq!(codecs(Flavor::Textbook), [Some(CodecType::Http1), Some(CodecType::Http2)]);
    assert_eq!(codecs(Flavor::Istio), [Some(CodecType::Auto), Some(CodecType::Auto)]);
}

#[test]
fn the_oldest_service_decides_what_a_shared_container_port_speaks() {
    let older = "apiVersion: v1\nkind: Service\nmetadata: {name: older, creationTimestamp: '2020-01-01T00:00:00Z'}\n\
                 spec: {selector: {app: server}, ports: [{name: tcp, port: 1, targetPort: 8080}]}\n";
    let config = with(&format!("{older}---\n{}", server_mode("STRICT")), Flavor::Istio, "server");
    assert_eq!(chains_of(&config, Some(8080)), ["0.0.0.0_8080 to 8080 tls -> mtls tcp inbound|8080||"]);
}

#[test]
fn the_server_asks_for_a_certificate_and_istio_for_one_of_the_mesh() {
    for (flavor, identities, http_alpn, tcp_alpn) in [
        (
            Flavor::Istio,
            vec![StringMatcher::prefix("spiffe://cluster.local/")],
            vec!["h2", "http/1.1"],
            vec!["istio-peer-exchange", "h2", "http/1.1"],
        ),
        (Flavor::Textbook, vec![], vec!["istio-peer-exchange"], vec!["istio-peer-exchange"]),
    ] {
        let config = with("", flavor, "server");
        for chain in &config.listener("virtualInbound").filter_chains {
            let Some(socket) = &chain.transport_socket else { continue };
            let TransportSocketConfig::DownstreamTls(tls) = &socket.typed_config else { panic!("no TLS") };
            assert_eq!(tls.require_client_certificate, Some(true));
            assert!(tls.disable_stateless_session_resumption && tls.disable_stateful_session_resumption);
            let common = &tls.common_tls_context;
            let is_http = outline(chain).contains("mtls http");
            assert_eq!(common.alpn_protocols, if is_http { &http_alpn[..] } else { &tcp_alpn[..] });
            let checks = common.combined_validation_context.as_ref().expect("checks");
            let matchers: Vec<_> = checks
                .default_validation_context
                .match_typed_subject_alt_names
                .iter()
                .map(|m| m.matcher.clone())
                .collect();
            assert_eq!(matchers, identities);
            assert_eq!(checks.validation_context_sds_secret_config.name, "ROOTCA");
        }
    }
}

#[test]
fn a_chain_says_which_policy_it_comes_from() {
    let config = with(&server_mode("STRICT"), Flavor::Istio, "server");
    let listener = config.listener("virtualInbound");
    let index = listener.filter_chains.iter().position(|chain| chain.name == "0.0.0.0_8080").expect("a chain");
    let resource = Resource::FilterChain { listener: "virtualInbound".into(), chain: Some(index) };
    let why = config.why(&resource).expect("a reason");
    assert!(why.because.contains("STRICT") && why.because.contains("named http"), "{}", why.because);
    assert!(why.source.to_string().contains("m.yaml#6 spec.mtls"), "{}", why.source);
    assert_eq!(
        listener.filter_chains.len(),
        config
            .provenance
            .iter()
            .filter(|p| matches!(&p.resource, Resource::FilterChain { listener, .. } if listener == "virtualInbound"))
            .count()
    );
}

#[test]
fn a_udp_port_has_chains_for_the_tcp_that_comes_to_it() {
    let udp = "apiVersion: v1\nkind: Service\nmetadata: {name: names}\n\
               spec: {selector: {app: server}, ports: [{name: dns, port: 5353, protocol: UDP}]}\n";
    let config = with(udp, Flavor::Istio, "server");
    assert!(config.clusters.iter().any(|cluster| cluster.name == "inbound|5353||"));
    assert!(!config.clusters.iter().any(|cluster| cluster.name.starts_with("outbound|5353|")));
}
