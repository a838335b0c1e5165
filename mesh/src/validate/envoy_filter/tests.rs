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

/// That the one fault is a warning: the patch is set aside.
#[track_caller]
fn set_aside(patch: &str, expected: &str) {
    let text = faults(&filter(patch));
    let expected = format!("spec.configPatches[0].{expected}");
    assert!(text.contains(&expected) && text.contains("the patch is set aside"), "expected {expected}\nfound {text}");
    assert_eq!((text.lines().count(), text.matches("warning").count()), (1, 1), "{text}");
}

/// That the one fault is an error.
#[track_caller]
fn refused(patch: &str, expected: &str) {
    let text = faults(&filter(patch));
    assert!(text.contains(expected), "expected {expected}\nfound {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn a_transport_socket_for_an_inbound_cluster_is_applied_and_other_patches_of_clusters_are_set_aside() {
    assert_eq!(faults(&filter(&format!("{{applyTo: CLUSTER, {MATCH}, {PATCH}}}"))), "");
    let with = |matcher: &str, patch: &str| format!("{{applyTo: CLUSTER, {matcher}, {patch}}}");
    let outbound = MATCH.replace("SIDECAR_INBOUND", "SIDECAR_OUTBOUND");
    set_aside(&with(&outbound, PATCH), "match.context: warning: SIDECAR_OUTBOUND is not supported; SIDECAR_INBOUND is");
    let added = PATCH.replace("MERGE", "ADD");
    set_aside(&with(MATCH, &added), "patch.operation: warning: ADD is not supported; MERGE is");
    let subset = MATCH.replace("portNumber: 8080", "portNumber: 8080, subset: v1");
    set_aside(&with(&subset, PATCH), "match.cluster.subset: warning: is not supported");
    let more = PATCH.replace("transport_socket: {name", "connect_timeout: 1s, transport_socket: {name");
    set_aside(&with(MATCH, &more), "patch.value.connect_timeout: warning: is not supported");
    let unknown = PATCH.replace("common_tls_context: {}", "common_tls_context: {alpn: [h2]}");
    set_aside(&with(MATCH, &unknown), "patch.value.transport_socket.typed_config: warning: common_tls_context.alpn");
    let server = PATCH.replace("UpstreamTlsContext", "DownstreamTlsContext");
    set_aside(
        &with(MATCH, &server),
        "patch.value.transport_socket.typed_config: warning: a DownstreamTlsContext is for a server",
    );
    set_aside(
        "{applyTo: CLUSTER, patch: {operation: ADD, value: {name: limits}}}",
        "match.context: warning: is missing",
    );
}

#[test]
fn a_patch_of_anything_but_a_cluster_is_set_aside_by_name() {
    let patch = "{applyTo: HTTP_FILTER, match: {listener: {portNumber: 80}}, patch: {operation: INSERT_BEFORE, value: {name: a}}}";
    set_aside(patch, "applyTo: warning: HTTP_FILTER");
    set_aside("{applyTo: LISTENER, match: {context: WAYPOINT}}", "applyTo: warning: LISTENER");
    assert_eq!(faults(&filter("")), "", "no patches at all");
    let prioritized = filter(&format!("{{applyTo: CLUSTER, {MATCH}, {PATCH}}}"))
        .replace("spec: {workload", "spec: {priority: 10, workload");
    assert_eq!(faults(&prioritized), "");
    let targets = prioritized.replace("spec: {priority: 10, ", "spec: {targetRefs: [{kind: Gateway, name: a}], ");
    let text = faults(&targets);
    assert!(text.contains("spec.targetRefs: warning: the filter is set aside"), "{text}");
}

#[test]
fn a_patch_has_what_it_applies_to_an_operation_and_a_value() {
    for (patch, expected) in [
        (
            "{applyTo: '', patch: {operation: ADD, value: {}}}",
            "applyTo: is missing; expected one of BOOTSTRAP, CLUSTER",
        ),
        (
            "{applyTo: CLUSTERS, patch: {operation: ADD, value: {}}}",
            "applyTo: \"CLUSTERS\" is none of BOOTSTRAP, CLUSTER",
        ),
        ("{applyTo: LISTENER}", "patch: is missing"),
        ("{applyTo: LISTENER, patch: {}}", "patch.operation: is missing; expected one of MERGE, ADD"),
        ("{applyTo: LISTENER, patch: {operation: ADDED, value: {}}}", "patch.operation: \"ADDED\" is none of"),
        ("{applyTo: LISTENER, patch: {operation: ADD}}", "patch.value: is missing; ADD needs one"),
    ] {
        let text = faults(&filter(patch));
        assert!(text.contains(&format!("spec.configPatches[0].{expected}")), "expected {expected}\nfound {text}");
    }
}

#[test]
fn a_match_goes_with_what_the_patch_applies_to() {
    let patch = "patch: {operation: MERGE, value: {}}";
    let of = |apply_to: &str, matcher: &str| {
        faults(&filter(&format!("{{applyTo: {apply_to}, match: {{{matcher}}}, {patch}}}")))
    };
    for (apply_to, matcher, expected) in [
        ("HTTP_FILTER", "cluster: {}", "applyTo: HTTP_FILTER goes with match.listener, not with match.cluster"),
        ("VIRTUAL_HOST", "listener: {}", "applyTo: VIRTUAL_HOST goes with match.routeConfiguration"),
        ("CLUSTER", "listener: {}", "applyTo: CLUSTER goes with match.cluster"),
        ("CLUSTER", "listener: {}, cluster: {}", "match: may have only one of cluster, listener; keep one"),
        ("NETWORK_FILTER", "listener: {filterChain: {filter: {}}}", "filter.name: is missing"),
        (
            "NETWORK_FILTER",
            "listener: {filterChain: {filter: {name: a, subFilter: {name: b}}}}",
            "goes with applyTo HTTP_FILTER",
        ),
        (
            "HTTP_FILTER",
            "listener: {filterChain: {filter: {name: a, subFilter: {name: b}}}}",
            "needs a match of the filter",
        ),
    ] {
        let text = of(apply_to, matcher);
        assert!(text.contains(expected), "expected {expected}\nfound {text}");
    }
    assert!(!of("LISTENER_FILTER", "cluster: {}").contains("goes with"));
}

#[test]
fn what_the_filter_itself_does_not_know_is_named_with_what_it_knows() {
    let slip = MATCH.replace("portNumber", "portNumbr");
    refused(
        &format!("{{applyTo: CLUSTER, {slip}, {PATCH}}}"),
        "cluster.portNumbr: unknown field; did you mean portNumber?",
    );
}
