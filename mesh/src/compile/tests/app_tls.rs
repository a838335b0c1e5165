//! TLS from a sidecar to its own app, and the app's TLS passed through.

use pretty_assertions::assert_eq;

use super::*;
use crate::compile::Resource;

const PASSTHROUGH: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
    metadata: {name: server, annotations: {textbook.sidelab.io/tls-mode: PASSTHROUGH}}\nspec: {host: server}\n";

/// An EnvoyFilter for the server: which clusters, and the common part of the TLS context.
pub(super) fn filter(cluster: &str, common: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: tls}}\n\
         spec: {{workloadSelector: {{labels: {{app: server}}}}, configPatches: [{{applyTo: CLUSTER, \
         match: {{context: SIDECAR_INBOUND, cluster: {{{cluster}}}}}, patch: {{operation: MERGE, value: {{transport_socket: \
         {{name: envoy.transport_sockets.tls, typed_config: {{'@type': \
         type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: app.example, \
         common_tls_context: {{{common}}}}}}}}}}}}}]}}\n"
    )
}

#[test]
fn the_annotation_gives_both_families_clusters_tls_in_the_textbooks_mesh_alone() {
    let annotated = MESH.replacen(
        "metadata: {name: server, labels: {app: server}}",
        "metadata: {name: server, labels: {app: server}, annotations: {textbook.sidelab.io/tls-to-app: '8080'}}",
        1,
    );
    let config = compiled(&annotated, Flavor::Textbook, "server", ProxyIdentity::ISTIO);
    for name in ["inbound|8080||", "inbound|8080|ipv6|"] {
        let context = client_tls(config.cluster(name));
        assert!(context.common_tls_context.key_log.is_some(), "it can be opened");
        assert_eq!(context.max_session_keys, Some(0));
        assert!(context.common_tls_context.validation_context.is_none(), "any certificate will do");
        let why = config.why(&Resource::TransportSocket { cluster: name.into() }).expect("a reason");
        assert_eq!(why.source.field, "metadata.annotations[textbook.sidelab.io/tls-to-app]");
    }
    assert!(config.cluster("inbound|9000||").transport_socket.is_none(), "nobody asked for it");
    let istio = compiled(&annotated, Flavor::Istio, "server", ProxyIdentity::ISTIO);
    assert!(istio.cluster("inbound|8080||").transport_socket.is_none());
}

#[test]
fn an_envoy_filter_patches_what_it_matches_in_istios_mesh_alone() {
    for cluster in ["portNumber: 8080", "name: inbound|8080||"] {
        let filter = filter(cluster, "");
        let config = with(&filter, Flavor::Istio, "server");
        let context = client_tls(config.cluster("inbound|8080||"));
        assert_eq!(context.sni, "app.example");
        assert!(context.common_tls_context.key_log.is_some(), "it can be opened");
        assert!(config.cluster("inbound|9000||").transport_socket.is_none());
        assert!(with(&filter, Flavor::Textbook, "server").cluster("inbound|8080||").transport_socket.is_none());
        assert!(with(&filter, Flavor::Istio, "client").clusters.iter().all(|c| !c.name.starts_with("inbound|")));
    }
    let of_a_service = with(&filter("service: server.default.svc.cluster.local", ""), Flavor::Istio, "server");
    assert!(of_a_service.cluster("inbound|9000||").transport_socket.is_some());
}

#[test]
fn several_envoy_filters_are_merged_in_order() {
    let first = filter("portNumber: 8080", "alpn_protocols: [h2]");
    let second = filter("", "alpn_protocols: [http/1.1]")
        .replace("name: tls", "name: later")
        .replace("app.example", "b.example");
    let config = with(&format!("{first}---\n{second}"), Flavor::Istio, "server");
    let context = client_tls(config.cluster("inbound|8080||"));
    assert_eq!(context.common_tls_context.alpn_protocols, ["h2", "http/1.1"]);
    assert_eq!(context.sni, "b.example");
    assert_eq!(client_tls(config.cluster("inbound|9000||")).common_tls_context.alpn_protocols, ["http/1.1"]);
}

#[test]
fn passthrough_makes_a_listener_that_goes_by_the_sni() {
    let config = with(PASSTHROUGH, Flavor::Textbook, "client");
    for port in [80, 8082, 9000, 8443, 7000] {
        let listener = config.listener(&format!("10.96.0.10_{port}"));
        let [chain] = &listener.filter_chains[..] else { panic!("one chain") };
        let matched = chain.filter_chain_match.as_ref().expect("a match");
        assert_eq!(
            matched.server_names,
            ["server.default.svc.cluster.local", "server", "server.default.svc", "server.default"]
        );
        assert_eq!(matched.transport_protocol, "tls");
        let cluster = config.cluster(&format!("outbound|{port}||server.default.svc.cluster.local"));
        assert!(cluster.transport_socket.is_none() && cluster.transport_socket_matches.is_empty());
    }
    assert!(config.listeners.iter().all(|listener| !listener.name.starts_with("0.0.0.0_80")), "no HTTP is read");
    let istio = with(PASSTHROUGH, Flavor::Istio, "client");
    assert!(istio.listeners.iter().any(|listener| listener.name == "0.0.0.0_80"), "Istio knows nothing of it");
}
