use crate::testing::{INJECTED, faults, pod};

fn filter(name: &str, selector: &str, cluster: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {name}}}
spec:
  workloadSelector: {{labels: {{app: {selector}}}}}
  configPatches:
  - applyTo: CLUSTER
    match: {{context: SIDECAR_INBOUND, cluster: {{{cluster}}}}}
    patch:
      operation: MERGE
      value:
        transport_socket:
          name: envoy.transport_sockets.tls
          typed_config: {{'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}
"
    )
}

fn with(filters: &str) -> String {
    let server = pod("server", "labels: {app: server}");
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 443, targetPort: 8443}]}
";
    faults(&format!("{INJECTED}{server}{service}{filters}"))
}

#[test]
fn a_filter_that_matches_nothing_is_warned_of_with_what_there_is() {
    assert_eq!(with(&filter("tls", "server", "portNumber: 8443")), "");
    assert_eq!(with(&filter("tls", "server", "name: inbound|8443||")), "");
    assert_eq!(with(&filter("tls", "server", "service: server.default.svc.cluster.local")), "");
    let of_the_service = with(&filter("tls", "server", "portNumber: 443"));
    let expected = "spec.configPatches[0].match.cluster: warning: matches no inbound cluster of the pods: there is \
                    container port 8443 (inbound|8443||) of server.default.svc.cluster.local\n";
    assert!(of_the_service.ends_with(expected), "{of_the_service}");
    let nobody = with(&filter("tls", "nobody", "portNumber: 8443"));
    assert!(nobody.contains("spec.workloadSelector: warning: selects no pod with a sidecar"), "{nobody}");
}

#[test]
fn filters_of_one_cluster_are_merged_and_have_to_fit_together() {
    let (one, two) = (filter("one", "server", "portNumber: 8443"), filter("two", "server", ""));
    assert_eq!(with(&format!("{one}{two}")), "");
    let trusting = |filter: &str, how: &str| {
        let context = "UpstreamTlsContext, common_tls_context: {validation_context: {trusted_ca: {";
        filter.replace("UpstreamTlsContext", &format!("{context}{how}: a}}}}}}"))
    };
    let text = with(&(trusting(&one, "filename") + &trusting(&two, "inline_string")));
    let expected = "cluster inbound|8443|| of pod server.default, merged from EnvoyFilter default/one and EnvoyFilter default/two: ";
    assert!(
        text.contains("(EnvoyFilter two): spec.configPatches[0].patch.value: ") && text.contains(expected),
        "{text}"
    );
}
