use crate::testing::faults;

fn sidecar(spec: &str) -> String {
    faults(&format!(
        "---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: s}}
spec: {spec}
"
    ))
}

/// Claims what a `spec` is refused with, or that it is accepted where `expected` is empty.
fn refused(spec: &str, expected: &str) {
    let found = sidecar(spec);
    let errors: Vec<_> = found.lines().filter(|line| !line.contains(" warning: ")).collect();
    match expected {
        "" => assert!(errors.is_empty(), "{spec}: {found}"),
        expected => assert!(errors.iter().any(|line| line.contains(expected)), "{spec}: {found}"),
    }
}

#[test]
fn a_host_has_a_namespace_and_a_full_name() {
    for host in ["./*", "*/*", "b/*.example.com", "~/*", "~b/a.example.com", "~./*", "istio-system/*"] {
        refused(&format!("{{egress: [{{hosts: ['{host}']}}]}}"), "");
    }
    for (host, expected) in [
        ("foo.example.com", "hosts[0]: \"foo.example.com\" has no namespace"),
        ("b/foo", "is a short name; write it in full"),
        ("b/*foo.com", "is not a host"),
        ("b/a.*.com", "is not a host"),
        ("B/*", "is neither '.', '*', nor the name of a namespace"),
        ("/*", "has an empty part"),
        ("b/", "has an empty part"),
    ] {
        refused(&format!("{{egress: [{{hosts: ['{host}']}}]}}"), expected);
    }
    refused("{egress: [{hosts: []}]}", "hosts: is empty");
    refused("{}", "spec: is empty");
    refused("{workloadSelector: {labels: {a: b}}}", "spec: is empty");
}

#[test]
fn only_the_last_egress_listener_is_without_a_port_and_ports_differ() {
    let listener = |port: &str| format!("{{{port} hosts: ['*/*']}}");
    let http = "port: {number: 80, protocol: HTTP, name: http},";
    let both = |a: &str, b: &str| format!("{{egress: [{}, {}]}}", listener(a), listener(b));
    refused(&both(http, ""), "");
    refused(&both("", http), "egress[0].port: is missing; only the last listener");
    refused(&both(http, http), "egress[1].port.number: is duplicated");
    refused(&both("port: {number: 80, protocol: NONSENSE, name: x},", ""), "is not a protocol that Istio knows");
    refused(&both("port: {number: 0, protocol: HTTP, name: x},", ""), "bind: needs a socket");
    refused(&both("port: {number: 80, protocol: HTTP, name: x}, bind: unix:///a,", ""), "is not an address");
    refused(&both("port: {number: 80, protocol: HTTP, name: x, targetPort: 1},", ""), "port.targetPort: has no effect");
}

#[test]
fn an_ingress_listener_leads_to_the_pod_itself() {
    let listener = |rest: &str| format!("{{ingress: [{{port: {{number: 90, protocol: HTTPS, name: a}}, {rest}}}]}}");
    for endpoint in ["127.0.0.1:80", "0.0.0.0:80", "[::1]:80", "[::]:80", ":80", "unix:///a"] {
        refused(&listener(&format!("defaultEndpoint: '{endpoint}'")), "");
    }
    refused(&listener("defaultEndpoint: 10.0.0.1:80"), "is not the pod itself");
    refused(&listener("defaultEndpoint: 127.0.0.1"), "has no port");
    refused(&listener("defaultEndpoint: 127.0.0.1:hi"), "\"hi\" is not a port");
    refused(&listener("defaultEndpoint: 127.0.0.1:0"), "out of range");
    refused(&listener("defaultEndpoint: 'unix://a'"), "is not an absolute path");
    refused(&listener("tls: {mode: SIMPLE, serverCertificate: a, privateKey: b}"), "");
    refused(&listener("tls: {mode: SIMPLE, credentialName: x}"), "credentialName: is not supported in a Sidecar");
    refused(&listener("tls: {mode: ISTIO_MUTUAL}"), "tls.mode: is not allowed");
    refused("{ingress: [{bind: 127.0.0.1}]}", "ingress[0].port: is missing");
}

#[test]
fn a_proxy_for_unknown_destinations_needs_a_mode_that_lets_them_out() {
    let policy = |text: &str| format!("{{outboundTrafficPolicy: {text}}}");
    let proxy = "egressProxy: {host: proxy.example.com, port: {number: 80}}";
    refused(&policy(&format!("{{mode: ALLOW_ANY, {proxy}}}")), "");
    refused(&policy(&format!("{{{proxy}}}")), "needs mode ALLOW_ANY");
    refused(&policy("{mode: ALLOW_ANY, egressProxy: {host: proxy.example.com}}"), "port: is missing");
}

#[test]
fn what_has_no_effect_or_is_not_supported_is_said() {
    let found = sidecar(
        "{workloadSelector: {}, ingress: [{port: {number: 90, protocol: HTTPS, name: a}, captureMode: NONE, tls: {}}]}",
    );
    for expected in [
        "spec.workloadSelector: warning: has no labels",
        "captureMode: warning: NONE is not supported yet",
        "tls: warning: has no effect",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    let found = sidecar("{egress: [{hosts: ['*/*', ./*]}]}");
    assert!(found.contains("*/* is everything"), "{found}");
    let found = sidecar("{egress: [{hosts: ['a/*', a/b.com]}]}");
    assert!(found.contains("hosts[1]: warning: \"a/b.com\" is duplicated"), "{found}");
}
