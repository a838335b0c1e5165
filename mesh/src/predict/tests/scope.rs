//! Sidecars (the kind): what the client's sidecar does not know, and what the server's takes.

use pretty_assertions::assert_eq;

use super::*;
use crate::account::NoteKind;

/// A Sidecar of the default namespace.
fn sidecar(spec: &str) -> String {
    format!(
        "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: scope}}
spec: {spec}
"
    )
}

fn scoped(spec: &str, more: &str) -> Mesh {
    mesh_of(Flavor::Istio, &(policy("STRICT") + &sidecar(spec) + more))
}

const ELSEWHERE: &str = "{workloadSelector: {labels: {app: client}}, egress: [{hosts: ['istio-system/*']}]}";

/// `client` has no labels in `PODS`, and the server's sidecar has to know its own service.
fn hidden() -> Mesh {
    scoped("{egress: [{hosts: ['istio-system/*']}]}", "")
}

/// <https://github.com/istio/istio/issues/21650>
#[test]
fn a_service_out_of_scope_is_passed_through_without_mtls_and_refused_by_strict() {
    let account = call(&hidden(), "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(layers(&account, 2), "http/1.1");
    let reset = "server sidecar no_filter_chain_match NR filter_chain_not_found -> connection_reset";
    assert_eq!(brief(&account.outcome), reset);
    assert_eq!(choice(&account.steps, Party::ClientSidecar, Decision::Cluster), Some("PassthroughCluster"));
    let chain = step(&account, Party::ClientSidecar, Decision::FilterChain);
    assert!(chain.because.ends_with("no service in the scope of Sidecar default/scope has the address and port"));
    assert!(chain.source.as_ref().expect("a document").to_string().ends_with(" spec.egress"));
    let notes: Vec<_> = account.notes.iter().map(|note| (note.kind, note.text.as_str())).collect();
    let host = "server.default.svc.cluster.local";
    assert_eq!(
        notes,
        [
            (
                NoteKind::NotUsed,
                &*format!(
                    "{host} is out of the scope of Sidecar default/scope, which lets in istio-system/*: the sidecar of client.default \
                     treats it as an unknown destination, without mTLS, routes and rules"
                )
            ),
            (NoteKind::Fix, &*format!("add ./{host} to spec.egress[0].hosts of Sidecar default/scope")),
        ]
    );
}

#[test]
fn with_registry_only_a_service_out_of_scope_is_dropped() {
    let mesh = scoped("{egress: [{hosts: ['istio-system/*']}], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}", "");
    let account = call(&mesh, "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(choice(&account.steps, Party::ClientSidecar, Decision::Cluster), Some("BlackHoleCluster"));
    assert_eq!(account.outcome.at, Some(Party::ClientSidecar));
}

#[test]
fn a_host_that_no_service_in_scope_has_is_named_where_another_has_the_port() {
    let other = "---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: apart}
spec: {ports: [{name: http, port: 80}]}
";
    let account =
        call(&scoped("{egress: [{hosts: ['apart/*']}]}", other), "client", "server", 80, AppProtocol::Http).account();
    let route = step(&account, Party::ClientSidecar, Decision::Route);
    assert!(
        route.because.ends_with("no service in the scope of Sidecar default/scope has the host"),
        "{}",
        route.because
    );
    assert_eq!(choice(&account.steps, Party::ClientSidecar, Decision::Cluster), Some("PassthroughCluster"));
}

#[test]
fn a_sidecar_that_selects_other_pods_changes_nothing() {
    let account = call(&scoped(ELSEWHERE, ""), "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "200");
    assert_eq!(layers(&account, 2), "mtls,http/1.1");
    assert_eq!(account.notes, []);
}

/// Where a VirtualService that is known leads, is known as well (`TestCreateSidecarScope` in `pilot/pkg/model/sidecar_test.go`).
#[test]
fn the_destination_of_a_known_route_has_a_cluster() {
    let more = "---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: apart}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: alias, namespace: apart}
spec: {hosts: [alias], http: [{route: [{destination: {host: server.default.svc.cluster.local, port: {number: 80}}}]}]}
";
    let mesh = scoped("{egress: [{hosts: ['apart/*']}]}", more);
    let account = call(&mesh, "client", "alias.apart", 80, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "200");
    assert_eq!(layers(&account, 2), "mtls,http/1.1");
}

#[test]
fn an_ingress_listener_leads_to_its_endpoint_and_replaces_those_of_services() {
    let ingress = "{workloadSelector: {labels: {app: server}}, ingress: [{port: {number: 80, protocol: HTTP, name: in}, defaultEndpoint: '127.0.0.1:9000'}]}";
    let account = call(&scoped(ingress, ""), "client", "server", 80, AppProtocol::Http).account();
    assert_eq!(brief(&account.outcome), "200");
    assert_eq!(leg(&account, 3).dials.map(|to| to.to_string()).as_deref(), Some("127.0.0.1:9000"));
    let chain = step(&account, Party::ServerSidecar, Decision::FilterChain);
    assert!(chain.because.contains("Sidecar default/scope says HTTP for port 80"), "{}", chain.because);
    // A port that it does not list is taken like one that no service has.
    let account = call(&scoped(ingress, ""), "client", "server", 70, AppProtocol::Tcp).account();
    assert_eq!(choice(&account.steps, Party::ServerSidecar, Decision::Cluster), Some("InboundPassthroughCluster"));
}
