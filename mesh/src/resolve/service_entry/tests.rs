use pretty_assertions::assert_eq;

use crate::{
    model::{Resolution, Service},
    testing::mesh,
};

fn entries(spec: &str) -> Vec<Service> {
    let document = "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: s}, spec: ";
    mesh(&format!("{document}{{{spec}}}}}\n")).entries.clone()
}

/// Address and port of each endpoint of a port.
fn endpoints(service: &Service, port: u16) -> Vec<String> {
    let entry = service.entry.as_ref().unwrap();
    entry
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.for_port == port)
        .map(|endpoint| format!("{}:{}", endpoint.address, endpoint.port))
        .collect()
}

#[test]
fn each_host_is_a_service_and_resolves_itself() {
    let entries = entries(
        "hosts: [a.example.com, B.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]",
    );
    let hosts: Vec<_> = entries.iter().map(|service| service.host.as_str()).collect();
    assert_eq!(hosts, ["a.example.com", "b.example.com"]);
    assert_eq!(endpoints(&entries[1], 80), ["b.example.com:443"]);
    assert_eq!(entries[0].entry.as_ref().unwrap().resolution, Resolution::Dns);
}

#[test]
fn an_endpoints_own_port_goes_before_the_target_port() {
    let ports =
        "ports: [{number: 443, name: tls, protocol: TLS, targetPort: 8443}, {number: 80, name: http, protocol: HTTP}]";
    let listed = "endpoints: [{address: 203.0.113.1, ports: {tls: 9443}}, {address: 203.0.113.2}]";
    let entries = entries(&format!("hosts: [a.b], resolution: STATIC, {ports}, {listed}"));
    assert_eq!(endpoints(&entries[0], 443), ["203.0.113.1:9443", "203.0.113.2:8443"]);
    assert_eq!(endpoints(&entries[0], 80), ["203.0.113.1:80", "203.0.113.2:80"]);
}

#[test]
fn a_range_of_one_address_is_an_address() {
    let ports = "ports: [{number: 443, name: tls, protocol: TLS}]";
    let entries = entries(&format!("hosts: [a.b], addresses: [203.0.113.9/32, 203.0.113.77/24], {ports}"));
    assert_eq!(entries[0].vips.len(), 1);
    assert_eq!(entries[0].entry.as_ref().unwrap().ranges[0].to_string(), "203.0.113.0/24");
    assert_eq!(endpoints(&entries[0], 443), Vec::<String>::new());
}
