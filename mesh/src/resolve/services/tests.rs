use pretty_assertions::assert_eq;

use crate::{
    model::{Family, Service},
    testing::{faults, mesh, pod},
};

/// A Service document: its metadata, and its spec.
fn service(metadata: &str, spec: &str) -> String {
    format!("---\n{{apiVersion: v1, kind: Service, metadata: {{{metadata}}}, spec: {{{spec}}}}}\n")
}

const SELECT: &str = "selector: {app: a}";

/// The service of this spec, beside pods `a`, `b` and `other` (`a` and `b` are selected by `SELECT`).
fn resolved(spec: &str) -> Service {
    mesh(&(pods() + &service("name: s", spec))).services[0].clone()
}

fn pods() -> String {
    let other_port = pod("b", "labels: {app: a}").replace("containerPort: 8080", "containerPort: 9090");
    pod("a", "labels: {app: a, tier: web}") + &other_port + &pod("other", "labels: {app: x}")
}

fn vips(spec: &str) -> Vec<String> {
    resolved(&format!("{SELECT}, ports: [{{port: 80}}], {spec}")).vips.iter().map(ToString::to_string).collect()
}

/// Pod indices and ports behind the first port.
fn endpoints(spec: &str) -> Vec<(usize, u16)> {
    resolved(spec).ports[0].endpoints.iter().map(|e| (e.pod, e.port)).collect()
}

#[test]
fn a_service_has_an_ipv4_address_unless_it_asks_for_more() {
    let both = ["10.96.0.10", "fd00:96::a"];
    assert_eq!(vips(""), ["10.96.0.10"]);
    assert_eq!(vips("ipFamilyPolicy: PreferDualStack"), both);
    assert_eq!(vips("ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6]"), both);
    assert_eq!(vips("ipFamilies: [IPv4, IPv6]"), both);
    assert_eq!(vips("ipFamilyPolicy: SingleStack"), ["10.96.0.10"]);
    assert_eq!(vips("ipFamilies: [IPv6]"), ["fd00:96::a"]);
    assert_eq!(vips("ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]"), ["fd00:96::a"]);
    assert_eq!(vips("clusterIP: None"), Vec::<String>::new());
    assert_eq!(vips("clusterIP: 10.96.7.7"), ["10.96.7.7"]);
    assert_eq!(vips("clusterIP: 10.96.7.7, ipFamilyPolicy: PreferDualStack"), ["10.96.7.7", "fd00:96::a"]);
    assert_eq!(vips("clusterIP: 'fd00:96::7'"), ["fd00:96::7"]);
    assert_eq!(vips("clusterIP: 172.20.0.7"), ["10.96.0.10"], "another cluster's address is no use here");
    assert_eq!(
        vips("ipFamilyPolicy: PreferDualStack, clusterIP: 'fd00:96::7', clusterIPs: ['fd00:96::7', 10.96.7.7]"),
        ["10.96.7.7", "fd00:96::7"]
    );
}

#[test]
fn a_headless_service_has_both_families_where_it_selects_nothing() {
    assert_eq!(resolved(&format!("{SELECT}, clusterIP: None, ports: [{{port: 80}}]")).families, [Family::Ipv4]);
    assert_eq!(resolved("clusterIP: None, ports: [{port: 80}]").families, Family::BOTH);
}

#[test]
fn addresses_go_round_those_that_are_asked_for() {
    let one =
        |name: &str, spec: &str| service(&format!("name: {name}"), &format!("{SELECT}, ports: [{{port: 80}}], {spec}"));
    let mesh = mesh(&(one("a", "") + &one("b", "clusterIP: 10.96.0.10") + &one("c", "")));
    let first: Vec<_> = mesh.services.iter().map(|s| s.vips[0].to_string()).collect();
    assert_eq!(first, ["10.96.0.11", "10.96.0.10", "10.96.0.12"]);
}

#[test]
fn endpoints_are_the_selected_pods_at_the_target_port() {
    assert_eq!(endpoints(&format!("{SELECT}, ports: [{{port: 80}}]")), [(0, 80), (1, 80)]);
    assert_eq!(endpoints(&format!("{SELECT}, ports: [{{port: 80, targetPort: 8080}}]")), [(0, 8080), (1, 8080)]);
    assert_eq!(endpoints(&format!("{SELECT}, ports: [{{port: 80, targetPort: web}}]")), [(0, 8080), (1, 9090)]);
    assert_eq!(endpoints("selector: {app: a, tier: web}, ports: [{port: 80}]"), [(0, 80)]);
}

#[test]
fn pods_of_another_namespace_are_not_behind_it() {
    let mesh = mesh(
        &(pod("a", "labels: {app: a}")
            + &service("name: s, namespace: apart", &format!("{SELECT}, ports: [{{port: 80}}]"))),
    );
    assert_eq!(mesh.services[0].ports[0].endpoints, []);
    assert_eq!(mesh.services[0].host, "s.apart.svc.cluster.local");
}

#[test]
fn a_service_that_finds_no_pod_is_a_warning_that_names_the_nearest() {
    let of =
        |metadata: &str, spec: &str| faults(&(pods() + &service(metadata, &format!("{spec}, ports: [{{port: 80}}]"))));
    assert_eq!(
        of("name: s", "selector: {app: z}"),
        "m.yaml: document 4 (Service s): spec.selector: warning: finds no pod with app=z in namespace default: calls fail; pod a has app=a\n"
    );
    assert_eq!(
        of("name: s, namespace: kube-system", SELECT),
        "m.yaml: document 4 (Service s): spec.selector: warning: finds no pod with app=a in namespace kube-system: calls fail; \
         pod a has these labels, but in namespace default\n"
    );
    assert!(of("name: s", "selector: {}").contains("spec.selector: warning: is missing"));
}

#[test]
fn a_target_port_that_no_pod_names_is_a_warning() {
    let yaml = pods() + &service("name: s", &format!("{SELECT}, ports: [{{port: 80, targetPort: admin}}]"));
    assert_eq!(
        faults(&yaml),
        "m.yaml: document 4 (Service s): spec.ports[0].targetPort: warning: no port of a, b has this name: calls find no pod\n"
    );
    assert_eq!(mesh(&yaml).services[0].ports[0].endpoints, []);
}

#[test]
fn the_protocol_names_the_field_that_says_so() {
    let port = |port: &str| {
        let port = resolved(&format!("{SELECT}, ports: [{port}]")).ports.remove(0);
        format!("{:?} {}", port.protocol, port.protocol_source)
    };
    assert_eq!(port("{port: 80, name: http}"), "Http m.yaml#4 spec.ports[0].name");
    assert_eq!(port("{port: 80, name: http, appProtocol: tcp}"), "Tcp m.yaml#4 spec.ports[0].appProtocol");
    assert_eq!(port("{port: 3306}"), "Tcp m.yaml#4 spec.ports[0].port");
    assert_eq!(port("{port: 80}"), "Auto m.yaml#4 spec.ports[0].name");
}

#[test]
fn services_come_in_order_of_namespace_and_name() {
    let one = |metadata: &str| service(metadata, &format!("{SELECT}, ports: [{{port: 80}}]"));
    let mesh = mesh(&(one("name: b") + &one("name: a") + &one("name: z, namespace: apart")));
    let names: Vec<_> = mesh.services.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["z.apart", "a.default", "b.default"]);
}
