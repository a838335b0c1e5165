use pretty_assertions::assert_eq;

use crate::{
    model::Mesh,
    testing::{EDGE, mesh},
};

const SERVICE: &str = "---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec: {selector: {istio: edge}, ports: [{name: http, port: 80, targetPort: 8080}, {name: https, port: 443, targetPort: 8443}]}
";

/// A mesh with a gateway, and Gateways with these servers each.
fn with(gateways: &[&str]) -> Mesh {
    let documents = gateways.iter().enumerate().map(|(i, servers)| {
        format!(
            "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g{i}}}
spec: {{selector: {{istio: edge}}, servers: [{servers}]}}
"
        )
    });
    mesh(&([EDGE, SERVICE].concat() + &documents.collect::<String>()))
}

fn server(port: u16, name: &str, protocol: &str, rest: &str) -> String {
    format!("{{port: {{number: {port}, name: {name}, protocol: {protocol}}}, {rest}}}")
}

/// `PORT ROUTES,ROUTES` of each port, and why servers are left out.
fn merged(gateways: &[&str]) -> (Vec<String>, Vec<String>) {
    let mesh = with(gateways);
    let merged = mesh.merged_gateway(0);
    let ports = merged.ports.iter().map(|port| {
        let routes: Vec<_> = port.servers.iter().map(|one| one.routes.as_str()).collect();
        format!("{} {}", port.port, routes.join(","))
    });
    (ports.collect(), merged.skipped.into_iter().map(|one| one.because).collect())
}

#[test]
fn a_servers_port_is_that_of_the_service_which_leads_to_the_pods_port() {
    let http = server(80, "http", "HTTP", "hosts: [a.example.com]");
    let other = server(9000, "tcp", "TCP", "hosts: ['*']");
    assert_eq!(merged(&[&http, &other]).0, ["8080 http.8080", "9000 "]);
}

#[test]
fn servers_of_http_share_a_port_and_its_routes_whatever_gateway_they_are_of() {
    let one = server(80, "http", "HTTP", "hosts: [a.example.com]");
    let two = server(80, "http", "HTTP2", "hosts: [b.example.com]");
    assert_eq!(merged(&[&one, &two]), (vec!["8080 http.8080,http.8080".into()], vec![]));
}

#[test]
fn servers_of_https_have_routes_of_their_own_and_each_host_is_for_one_of_them() {
    let one = server(443, "https", "HTTPS", "hosts: [a.example.com], tls: {mode: SIMPLE, credentialName: c}");
    let two = server(443, "https", "HTTPS", "hosts: [b.example.com], tls: {mode: SIMPLE, credentialName: c}");
    let (ports, skipped) = merged(&[&one, &two, &one]);
    assert_eq!(ports, ["8443 https.443.https.g0.default,https.443.https.g1.default"]);
    assert_eq!(skipped, ["Gateway default/g0 has the host a.example.com on port 8443 already"]);
}

#[test]
fn a_port_of_http_takes_no_bytes_and_one_of_bytes_no_second_server() {
    let http = server(80, "http", "HTTP", "hosts: [a.example.com]");
    let tcp = server(80, "tcp", "TCP", "hosts: ['*']");
    assert_eq!(merged(&[&http, &tcp]).1, ["port 8080 has a server of HTTP already, and TCP can't share it"]);
    assert_eq!(merged(&[&tcp, &tcp]).1, ["port 8080 has a server of TCP already, and TCP can't share it"]);
}

#[test]
fn a_server_meets_a_virtual_service_in_the_narrower_of_their_hosts() {
    let rule = |hosts: &str| {
        let gateway = server(80, "http", "HTTP", "hosts: ['./*.example.com', other/x.example.com, b.example.org]");
        let rule = format!(
            "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v}}
spec: {{hosts: [{hosts}], gateways: [g0], tcp: [{{route: [{{destination: {{host: edge}}}}]}}]}}
"
        );
        let gateway = format!(
            "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g0}}
spec: {{selector: {{istio: edge}}, servers: [{gateway}]}}
"
        );
        let mesh = mesh(&([EDGE, SERVICE].concat() + &gateway + &rule));
        mesh.gateways[0].servers[0].hosts_of(&mesh.virtual_services[0])
    };
    assert_eq!(rule("a.example.com, b.example.org"), ["a.example.com", "b.example.org"]);
    assert_eq!(rule("'*.example.org'"), ["b.example.org"]);
    assert_eq!(rule("'*.a.example.com'"), ["*.a.example.com"]);
    assert_eq!(rule("example.com"), Vec::<String>::new());
}
