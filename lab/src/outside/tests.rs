use pretty_assertions::assert_eq;

use super::*;
use crate::manifests;

fn mesh(text: &str) -> std::sync::Arc<Resolved> {
    let client = "apiVersion: v1\nkind: Pod\nmetadata: {name: client}\nspec: {containers: [{name: a, image: sidelab/demo-client}]}\n---\n";
    manifests::resolve(&[SourceFile { name: "m.yaml".into(), text: format!("{client}{text}") }]).unwrap().0
}

fn entry(spec: &str) -> String {
    format!("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: e}}\nspec: {{{spec}}}\n")
}

/// The hosts that pods are made for, with their ports.
fn made(text: &str, calls: &[(usize, &str, u16)]) -> Vec<(String, Vec<u16>)> {
    let Some(file) = hosts(&mesh(text), calls) else { return Vec::new() };
    let resolved = manifests::resolve(&[file]).unwrap().0;
    let ports = |pod: &mesh::model::Pod| pod.containers[0].ports.iter().map(|port| port.port).collect();
    resolved.pods.iter().map(|pod| (pod.external_hosts[0].clone(), ports(pod))).collect()
}

#[test]
fn a_service_entry_host_gets_a_pod_with_the_dialled_ports() {
    let text = entry(
        "hosts: [www.example.com], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}], resolution: DNS",
    );
    assert_eq!(made(&text, &[]), [("www.example.com".into(), vec![80, 443])]);
}

#[test]
fn a_called_host_gets_a_pod() {
    assert_eq!(made("", &[(0, "api.example.com", 8443)]), [("api.example.com".into(), vec![8443])]);
    assert_eq!(made("", &[(0, "10.0.0.1", 80), (0, "db.default", 80), (0, "*.example.com", 80)]), []);
}

#[test]
fn a_called_host_below_a_wildcard_listens_where_the_sidecar_sends_its_calls_too() {
    let text = entry(
        "hosts: ['*.example.com'], ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}], resolution: NONE",
    );
    let pods = made(&text, &[(0, "www.example.com", 80), (0, "www.example.org", 80)]);
    assert_eq!(pods, [("www.example.com".into(), vec![80, 443]), ("www.example.org".into(), vec![80])]);
}

#[test]
fn a_host_in_a_private_domain_gets_a_pod_only_where_a_manifest_has_it_looked_up() {
    let of = |host: &str, more: &str| {
        entry(&format!("hosts: [{host}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: DNS{more}"))
    };
    let calls = [(0, "vm.internal", 80), (0, "vm.corp", 80)];
    assert_eq!(made("", &calls), []);
    assert_eq!(made(&of("vm.internal", ""), &calls), [("vm.internal".into(), vec![80])]);
    assert_eq!(made(&of("vm.invalid", ""), &[]), []);
    assert_eq!(made(&of("a.shop.svc.cluster.local", ""), &[]), []);
    let elsewhere = of("name.internal", ", endpoints: [{address: vm.internal}]");
    assert_eq!(made(&elsewhere, &[]), [("vm.internal".into(), vec![80])]);
    let alias =
        "apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: vm.corp}\n";
    assert_eq!(made(alias, &[(0, "db", 80)]), [("vm.corp".into(), vec![80])]);
}

#[test]
fn a_host_with_a_pod_gets_no_other() {
    let text = entry("hosts: [www.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS")
        + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: w, annotations: {sidelab.io/external-host: www.example.com}}\nspec: {containers: [{name: a, image: sidelab/demo-server}]}\n";
    assert_eq!(made(&text, &[]), []);
}

#[test]
fn a_host_that_shares_its_first_label_with_a_service_is_made_if_an_entry_or_its_domain_says_so() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: httpbin}\nspec: {ports: [{port: 80}]}\n---\n".to_owned();
    let entry = |host: &str| {
        entry(&format!("hosts: [{host}], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: DNS"))
    };
    assert_eq!(made(&(service.clone() + &entry("httpbin.dev")), &[]), [("httpbin.dev".into(), vec![80])]);
    let calls = [(0, "httpbin.org", 80), (0, "httpbin.prod", 80)];
    assert_eq!(made(&service, &calls), [("httpbin.org".into(), vec![80])]);
}
