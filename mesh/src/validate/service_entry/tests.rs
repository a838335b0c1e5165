use pretty_assertions::assert_eq;

use crate::testing;

/// The faults of a ServiceEntry, with its place left out.
fn faults(spec: &str) -> Vec<String> {
    let document = format!(
        "{{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {{name: s}}, spec: {{{spec}}}}}\n"
    );
    let place = "m.yaml: document 1 (ServiceEntry s): ";
    testing::faults(&document).lines().map(|line| line.strip_prefix(place).unwrap_or(line).to_owned()).collect()
}

const HTTPS: &str = "ports: [{number: 443, name: tls, protocol: TLS}]";
const TCP: &str = "ports: [{number: 9000, name: tcp, protocol: TCP}]";

#[test]
fn what_istio_takes_has_no_fault() {
    let none: [String; 0] = [];
    for spec in [
        format!("hosts: [shop.example.com], location: MESH_EXTERNAL, resolution: DNS, {HTTPS}"),
        format!("hosts: ['*.example.com', www.example.com], {HTTPS}"),
        format!("hosts: [shop.example.com], addresses: [203.0.113.0/24, '2001:db8::1'], {TCP}"),
        format!("hosts: [shop.internal], resolution: STATIC, {HTTPS}, endpoints: [{{address: 203.0.113.1, ports: {{tls: 8443}}}}]"),
        format!("hosts: ['*.example.com'], resolution: DNS_ROUND_ROBIN, {HTTPS}, endpoints: [{{address: shop.example.com}}]"),
        "hosts: [a.example.com, b.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}], exportTo: ['.']".into(),
    ] {
        assert_eq!(faults(&spec), none, "{spec}");
    }
}

#[test]
fn hosts_are_names_and_dns_resolves_no_wildcard() {
    assert_eq!(faults(&format!("hosts: [], {HTTPS}")), ["spec.hosts: is empty; name at least one host"]);
    for host in ["'*'", "'a b'", "'shop..com'", "'a.*.com'"] {
        assert!(faults(&format!("hosts: [{host}], {HTTPS}"))[0].starts_with("spec.hosts[0]: "), "{host}");
    }
    assert_eq!(
        faults(&format!("hosts: ['*.example.com'], resolution: DNS, {HTTPS}")),
        [
            "spec.hosts[0]: \"*.example.com\" cannot be resolved: with resolution DNS and no endpoints a host has no wildcard"
        ]
    );
}

#[test]
fn addresses_are_ip_and_ranges_only_where_nothing_is_resolved() {
    assert!(
        faults(&format!("hosts: [a.b], addresses: [shop], {HTTPS}"))[0]
            .starts_with("spec.addresses[0]: \"shop\" is neither")
    );
    assert_eq!(
        faults(&format!("hosts: [a.b], addresses: [203.0.113.0/24], resolution: DNS, {HTTPS}")),
        ["spec.addresses[0]: a range is allowed only with resolution NONE or STATIC"]
    );
}

#[test]
fn ports_differ_in_name_and_number_and_speak_what_istio_knows() {
    let ports = "hosts: [a.b], ports: [{number: 443, name: tls, protocol: TLS}, {number: 443, name: tls, protocol: QUIC}, {number: 0, name: a_b, protocol: TLS, targetPort: 70000}]";
    let faults = faults(ports);
    let fields: Vec<_> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "spec.ports[1].name",
            "spec.ports[1].number",
            "spec.ports[1].protocol",
            "spec.ports[2].name",
            "spec.ports[2].number",
            "spec.ports[2].targetPort"
        ]
    );
}

#[test]
fn several_hosts_need_a_protocol_that_tells_them_apart() {
    let two = |resolution| {
        format!(
            "hosts: [a.b, c.d], addresses: [203.0.113.1], resolution: {resolution}, {TCP}, endpoints: [{{address: 203.0.113.1}}]"
        )
    };
    assert_eq!(
        faults(&two("STATIC")),
        ["spec.ports[0].protocol: port 9000 is neither HTTP nor TLS: nothing tells which of several hosts is meant"]
    );
    assert_eq!(
        faults(&format!("hosts: [a.b], {TCP}")),
        [
            "spec.ports[0].protocol: warning: without spec.addresses it takes every connection to port 9000, to any address"
        ]
    );
}

#[test]
fn endpoints_fit_the_resolution() {
    let endpoint = |resolution: &str, endpoint: &str| {
        faults(&format!("hosts: [a.b], resolution: {resolution}, {HTTPS}, endpoints: [{endpoint}]"))
    };
    assert!(
        endpoint("NONE", "{address: 203.0.113.1}")[0]
            .starts_with("spec.endpoints: cannot be combined with resolution NONE")
    );
    assert_eq!(
        endpoint("STATIC", "{address: shop.example.com}"),
        ["spec.endpoints[0].address: \"shop.example.com\" is not an address, which this resolution needs"]
    );
    assert_eq!(
        endpoint("DNS", "{address: '*.example.com', ports: {web: 70000}}"),
        [
            "spec.endpoints[0].address: \"*.example.com\" is not an address or a full name, which this resolution needs",
            "spec.endpoints[0].ports[web]: 70000 is out of range; a port is a number from 1 to 65535",
            "spec.endpoints[0].ports[web]: no port of the entry has this name",
        ]
    );
    assert_eq!(
        endpoint("DNS_ROUND_ROBIN", "{address: a.b}, {address: c.d}"),
        ["spec.endpoints: DNS_ROUND_ROBIN takes one endpoint at most"]
    );
    assert_eq!(
        faults(&format!("hosts: [a.b], resolution: STATIC, {HTTPS}")),
        ["spec.endpoints: warning: is empty: calls find no endpoint"]
    );
}

#[test]
fn what_is_not_supported_says_so() {
    assert_eq!(
        faults(&format!("hosts: [a.b], resolution: STATIC, {HTTPS}, workloadSelector: {{labels: {{a: b}}}}")),
        [
            "spec.workloadSelector.labels: warning: selects no pod and no WorkloadEntry of namespace default: calls find no endpoint"
        ]
    );
    let beside = "endpoints: [{address: 203.0.113.7}], workloadSelector: {labels: {a: '*'}}";
    let found = faults(&format!("hosts: [a.b], resolution: STATIC, {HTTPS}, {beside}"));
    assert!(found.contains(&"spec.workloadSelector: cannot be combined with endpoints".to_owned()), "{found:?}");
    let expected = "spec.workloadSelector.labels[a]: a wildcard is not allowed in a selector; labels must be equal";
    assert!(found.contains(&expected.to_owned()), "{found:?}");
    assert!(
        faults(&format!("hosts: [a.b], resolution: MAGIC, {HTTPS}"))[0].starts_with("spec.resolution: unknown variant")
    );
    assert!(faults(&format!("host: [a.b], hosts: [a.b], {HTTPS}"))[0].contains("did you mean hosts?"));
    assert!(
        faults(&format!("hosts: [a.b], {HTTPS}, exportTo: ['*', a]"))[0].starts_with("spec.exportTo: '*' is for all")
    );
}

#[test]
fn dynamic_dns_is_for_wildcards_and_for_protocols_that_name_a_host() {
    let entry = |spec: &str| {
        let text = testing::faults(&format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{resolution: DYNAMIC_DNS, {spec}}}\n"
        ));
        assert!(text.contains("spec.resolution: warning: DYNAMIC_DNS is taken for NONE"), "{text}");
        text.lines().filter(|line| !line.contains("warning")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let ports = |protocol: &str| format!("ports: [{{number: 443, name: a, protocol: {protocol}}}]");
    assert_eq!(entry(&format!("hosts: ['*.foo.com'], {}", ports("TLS"))), "");
    for (spec, expected) in [
        (format!("hosts: [foo.com], {}", ports("TLS")), "spec.hosts[0]: \"foo.com\" has no wildcard"),
        (format!("hosts: ['*.foo.com'], {}", ports("HTTPS")), "spec.ports[0].protocol: resolution DYNAMIC_DNS takes"),
        (format!("hosts: ['*.foo.com'], addresses: [1.1.1.1], {}", ports("TLS")), "spec.addresses: is not for"),
        (
            format!("hosts: ['*.foo.com'], endpoints: [{{address: 1.1.1.1}}], {}", ports("TLS")),
            "spec.endpoints: is not for",
        ),
    ] {
        assert!(entry(&spec).contains(expected), "{spec}: {}", entry(&spec));
    }
}
