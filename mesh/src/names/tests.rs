use pretty_assertions::assert_eq;

use crate::{
    model::{Family, Mesh},
    testing::{mesh, pod},
};

fn shop() -> Mesh {
    let service = |metadata: &str, spec: &str| {
        format!("---\n{{apiVersion: v1, kind: Service, metadata: {{{metadata}}}, spec: {{selector: {{app: server}}, ports: [{{port: 80}}, {{port: 81, name: b}}], {spec}}}}}\n")
            .replace("{port: 80}", "{port: 80, name: a}")
    };
    let deployment = "---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {selector: {matchLabels: {app: web}},
 template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: b}]}}}}
";
    mesh(
        &(pod("client", "")
            + &pod("server", "labels: {app: server}")
            + &pod("server", "namespace: apart, labels: {app: server}")
            + deployment
            + &service("name: server", "ipFamilyPolicy: PreferDualStack")
            + &service("name: server, namespace: apart", "")
            + &service("name: headless", "clusterIP: None")),
    )
}

#[test]
fn a_pod_is_found_by_its_name_in_a_namespace() {
    let mesh = shop();
    let found = |name: &str, namespace: &str| mesh.pod(name, namespace).map(|pod| mesh.pods[pod].name.to_string());
    assert_eq!(found("server", "default").as_deref(), Some("server.default"));
    assert_eq!(found("server", "apart").as_deref(), Some("server.apart"));
    assert_eq!(found("server.apart", "default").as_deref(), Some("server.apart"));
    assert_eq!(found("client", "apart"), None);
    assert_eq!(found("web", "default").as_deref(), Some("web-0.default"));
    assert_eq!(found("web-0.default", "apart").as_deref(), Some("web-0.default"));
}

#[test]
fn a_service_is_found_by_every_name_that_a_resolver_completes() {
    let mesh = shop();
    let found = |host: &str, namespace: &str| mesh.service(host, namespace).map(|service| service.host.as_str());
    let (own, apart) = (Some("server.default.svc.cluster.local"), Some("server.apart.svc.cluster.local"));
    assert_eq!(found("server", "default"), own);
    assert_eq!(found("server", "apart"), apart);
    for host in [
        "server.apart",
        "server.apart.svc",
        "server.apart.svc.cluster.local",
        "server.apart.svc.cluster.local.",
        "SERVER.apart",
    ] {
        assert_eq!(found(host, "default"), apart, "{host}");
    }
    assert_eq!(found("server.", "default"), None, "a dot at the end means that nothing is added");
    assert_eq!(found("server.nowhere", "default"), None);
}

#[test]
fn addresses_lead_back_to_pods_and_services() {
    let mesh = shop();
    let server = mesh.service("server", "default").unwrap();
    assert_eq!(mesh.service_at(server.vips[1]).unwrap().host, server.host);
    let pod = mesh.pod("server", "apart").unwrap();
    assert_eq!(mesh.pod_at(mesh.pods[pod].ips.v6.into()), Some(pod));
    assert_eq!(mesh.pod_at("192.0.2.1".parse().unwrap()), None);
    let headless = mesh.service("headless", "default").unwrap();
    let server = &mesh.pods[mesh.pod("server", "default").unwrap()];
    assert_eq!(mesh.addresses(headless), [server.ips.of(Family::Ipv4)]);
}

#[test]
fn the_hosts_file_contains_only_the_pod() {
    let mesh = shop();
    assert_eq!(
        mesh.hosts_file(mesh.pod("client", "default").unwrap()),
        "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
10.244.0.3\tclient
fd00:244::3\tclient
"
    );
}

#[test]
fn short_names_are_completed_by_the_pods_resolver() {
    let mesh = shop();
    assert_eq!(
        mesh.resolv_conf(mesh.pod("server", "apart").unwrap()),
        "nameserver 10.96.0.2
nameserver fd00:96::2
search apart.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"
    );
}

#[test]
fn dns_resolves_services_and_external_hosts() {
    let outside = pod("outside", "annotations: {sidelab.io/external-host: 'Shop.example.com, www.example.com'}");
    let mesh = mesh(&(pod("server", "labels: {app: a}") + SERVICE + &outside));
    assert_eq!(
        mesh.dns_records(),
        "10.96.0.10\tserver.default.svc.cluster.local
fd00:96::a\tserver.default.svc.cluster.local
203.0.113.1\tshop.example.com www.example.com
2001:db8:cafe::1\tshop.example.com www.example.com
"
    );
    assert_eq!(mesh.resolve("WWW.example.com.", "default")[0].to_string(), "203.0.113.1");
    assert_eq!(mesh.resolve("server", "default")[0].to_string(), "10.96.0.10");
    assert_eq!(mesh.resolve("outside", "default"), Vec::<std::net::IpAddr>::new());
}

const SERVICE: &str = "---
{apiVersion: v1, kind: Service, metadata: {name: server}, spec: {ipFamilyPolicy: PreferDualStack, selector: {app: a}, ports: [{port: 80}]}}
";

#[test]
fn a_suggested_name_is_written_as_its_caller_would() {
    let mesh = shop();
    let meant = |host: &str| mesh.nearest_host(host, "default");
    assert_eq!(meant("servr").as_deref(), Some("server"));
    assert_eq!(meant("headles").as_deref(), Some("headless"));
    assert_eq!(meant("server.apart.svc.cluster.locl").as_deref(), Some("server.apart.svc.cluster.local"));
    assert_eq!(meant("something-else"), None);
}
