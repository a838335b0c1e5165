//! Policies of a workload and of its ports: the tables of Istio's `TestPeerAuthenticationPassthrough` and
//! `TestPeerAuthenticationWithSidecar`.

use super::{
    inbound::{connection, fate, hello},
    *,
};

/// A workload's mode, and one for port 99, which no service has, or for port 80, which one has.
fn mesh(mode: &str, port: u16, port_mode: &str) -> Mesh {
    mesh_of(
        Flavor::Istio,
        &format!(
            "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: server}}
spec:
  selector: {{matchLabels: {{app: server}}}}
  mtls: {{mode: {mode}}}
  portLevelMtls: {{{port}: {{mode: {port_mode}}}}}
"
        ),
    )
}

fn mtls_http() -> Vec<Sent> {
    let mut sent = connection("mtls http");
    sent[0] = hello(&["istio"], Some("spiffe://cluster.local/ns/default/sa/client"));
    sent
}

const PASSED_ON: &str = "Cluster(\"InboundPassthroughCluster\")";
const HTTP: &str = "Cluster(\"inbound|80||\")";
const NO_CHAIN: &str = "NoChain";
const BAD_PROTOCOL: &str = "BadProtocol";

/// What comes of plaintext HTTP and of mTLS to port 80, and to port 99.
fn fates(mesh: &Mesh) -> [String; 4] {
    let plain = connection("http");
    [(80, plain.clone()), (80, mtls_http()), (99, plain), (99, mtls_http())].map(|(port, sent)| fate(mesh, port, &sent))
}

#[test]
fn a_port_without_a_service_can_be_strict_in_a_workload_without_mtls() {
    assert_eq!(fates(&mesh("DISABLE", 99, "STRICT")), [HTTP, BAD_PROTOCOL, NO_CHAIN, PASSED_ON]);
}

#[test]
fn a_port_without_a_service_can_be_left_out_of_a_strict_workload() {
    assert_eq!(fates(&mesh("STRICT", 99, "DISABLE")), [NO_CHAIN, HTTP, PASSED_ON, PASSED_ON]);
}

#[test]
fn a_port_without_a_service_can_be_permissive() {
    assert_eq!(fates(&mesh("DISABLE", 99, "PERMISSIVE")), [HTTP, BAD_PROTOCOL, PASSED_ON, PASSED_ON]);
}

#[test]
fn a_port_of_a_service_can_be_left_out_of_a_strict_workload() {
    assert_eq!(fates(&mesh("STRICT", 80, "DISABLE")), [HTTP, BAD_PROTOCOL, NO_CHAIN, PASSED_ON]);
}

#[test]
fn a_port_of_a_service_can_be_permissive_in_a_strict_workload() {
    assert_eq!(fates(&mesh("STRICT", 80, "PERMISSIVE")), [HTTP, HTTP, NO_CHAIN, PASSED_ON]);
}

#[test]
fn a_client_goes_by_the_mode_of_the_port_that_it_calls() {
    let mesh = mesh("STRICT", 80, "DISABLE");
    let plain = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    assert_eq!((layers(&plain, 2).as_str(), plain.outcome.delivered), ("http/1.1", true));

    let secured = call(&mesh, "client", "server", 70, AppProtocol::Tcp).account();
    assert_eq!((layers(&secured, 2).as_str(), secured.outcome.delivered), ("mtls,tcp", true));
}

#[test]
fn a_refusal_names_the_policy_and_the_line() {
    let account = call(&mesh("PERMISSIVE", 80, "STRICT"), "outsider", "server", 80, AppProtocol::Http).account();
    let step = step(&account, Party::ServerSidecar, Decision::FilterChain);
    assert_eq!(step.choice, "none");
    assert!(step.because.contains("PeerAuthentication default/server says STRICT"), "{}", step.because);
    assert_eq!(step.source.as_ref().map(ToString::to_string).as_deref(), Some("m.yaml#6 spec.portLevelMtls[80].mode"));
}
