use crate::testing::{INJECTED, faults, pod};

/// A pod with a sidecar and a service, and an EnvoyFilter with this patch.
fn filter(patch: &str) -> String {
    let server = pod("server", "labels: {app: server}");
    format!(
        "{INJECTED}{server}---
apiVersion: v1
kind: Service
metadata: {{name: server}}
spec: {{selector: {{app: server}}, ports: [{{port: 8080}}]}}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: tls}}
spec: {{workloadSelector: {{labels: {{app: server}}}}, configPatches: [{patch}]}}
"
    )
}

const MATCH: &str = "match: {context: SIDECAR_INBOUND, cluster: {portNumber: 8080}}";
const PATCH: &str = "patch: {operation: MERGE, value: {transport_socket: {name: tls, typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {}}}}}";

#[track_caller]
fn refused(patch: &str, expected: &str) {
    let text = faults(&filter(patch));
    assert!(text.contains(expected), "expected {expected}\nfound {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn a_transport_socket_for_an_inbound_cluster_is_what_is_supported() {
    assert_eq!(faults(&filter(&format!("{{applyTo: CLUSTER, {MATCH}, {PATCH}}}"))), "");
    for (apply_to, expected) in [
        ("applyTo: CLUSTERS", "spec.configPatches[0].applyTo: \"CLUSTERS\" is not supported; CLUSTER is"),
        ("applyTo: ''", "spec.configPatches[0].applyTo: is missing; CLUSTER is what is supported"),
    ] {
        refused(&format!("{{{apply_to}, {MATCH}, {PATCH}}}"), expected);
    }
    let outbound = MATCH.replace("SIDECAR_INBOUND", "SIDECAR_OUTBOUND");
    let expected = "match.context: \"SIDECAR_OUTBOUND\" is not supported; SIDECAR_INBOUND is";
    refused(&format!("{{applyTo: CLUSTER, {outbound}, {PATCH}}}"), expected);
    let added = PATCH.replace("MERGE", "ADD");
    refused(&format!("{{applyTo: CLUSTER, {MATCH}, {added}}}"), "patch.operation: \"ADD\" is not supported; MERGE is");
    let subset = MATCH.replace("portNumber: 8080", "portNumber: 8080, subset: v1");
    let expected = "match.cluster.subset: is not supported; expected portNumber, service or name";
    refused(&format!("{{applyTo: CLUSTER, {subset}, {PATCH}}}"), expected);
}

#[test]
fn what_the_filter_itself_does_not_know_is_named_with_what_it_knows() {
    let slip = MATCH.replace("portNumber", "portNumbr");
    refused(
        &format!("{{applyTo: CLUSTER, {slip}, {PATCH}}}"),
        "cluster.portNumbr: unknown field; did you mean portNumber?",
    );
}

#[test]
fn a_field_that_envoy_does_not_have_is_named_by_its_path() {
    let misspelt = PATCH.replace("common_tls_context: {}", "common_tls_context: {alpn: [h2]}");
    let expected = "patch.value.transport_socket.typed_config: common_tls_context.alpn: unknown field `alpn`";
    refused(&format!("{{applyTo: CLUSTER, {MATCH}, {misspelt}}}"), expected);
    let other = PATCH.replace("transport_socket: {name", "connect_timeout: 1s, transport_socket: {name");
    let expected = "patch.value.connect_timeout: is not supported; transport_socket is";
    refused(&format!("{{applyTo: CLUSTER, {MATCH}, {other}}}"), expected);
    let server = PATCH.replace("UpstreamTlsContext", "DownstreamTlsContext");
    refused(&format!("{{applyTo: CLUSTER, {MATCH}, {server}}}"), "a DownstreamTlsContext is for a server");
}

#[test]
fn a_port_is_in_range() {
    let port = MATCH.replace("8080", "70000");
    refused(
        &format!("{{applyTo: CLUSTER, {port}, {PATCH}}}"),
        "match.cluster.portNumber: 70000 is out of range; a port is a number from 1 to 65535",
    );
}

#[test]
fn a_patch_of_anything_but_a_cluster_is_set_aside_by_name() {
    let said = faults(&filter(
        "{applyTo: HTTP_FILTER, match: {listener: {portNumber: 80}}, patch: {operation: INSERT_BEFORE, value: {name: a}}}",
    ));
    assert!(said.contains("spec.configPatches[0].applyTo: warning: HTTP_FILTER: the patch is set aside"), "{said}");
}
