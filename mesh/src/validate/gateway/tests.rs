use crate::testing::faults;

/// What is said about a server, of the pod and the routes of which nothing is said.
fn said(server: &str) -> String {
    let text = format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: edge, labels: {{istio: edge}}}}
spec: {{containers: [{{name: istio-proxy, image: istio/proxyv2}}]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: g}}
spec: {{selector: {{istio: edge}}, servers: [{server}]}}
"
    );
    faults(&text)
        .lines()
        .filter(|line| !line.contains("no VirtualService") && !line.contains("closes every connection"))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

fn with_tls(protocol: &str, tls: &str) -> String {
    said(&format!("{{port: {{number: 443, name: p, protocol: {protocol}}}, hosts: [a.example.com], tls: {{{tls}}}}}"))
}

#[test]
fn what_istios_webhook_accepts_is_accepted() {
    for (protocol, tls) in [
        ("HTTPS", "mode: SIMPLE, credentialName: c"),
        ("HTTPS", "mode: MUTUAL, serverCertificate: /a, privateKey: /b, caCertificates: /c"),
        ("TLS", "mode: PASSTHROUGH"),
        ("TLS", "mode: AUTO_PASSTHROUGH"),
        ("HTTPS", "mode: ISTIO_MUTUAL"),
        ("HTTP", "httpsRedirect: true"),
    ] {
        assert_eq!(with_tls(protocol, tls), "", "{protocol} {tls}");
    }
}

#[test]
fn tls_settings_that_contradict_their_mode_or_port_are_errors() {
    for (protocol, tls, message) in [
        ("HTTPS", "mode: SIMPLE", "spec.servers[0].tls.serverCertificate: is missing"),
        (
            "HTTPS",
            "mode: MUTUAL, serverCertificate: /a, privateKey: /b",
            "spec.servers[0].tls.caCertificates: is missing",
        ),
        (
            "HTTPS",
            "mode: ISTIO_MUTUAL, credentialName: c",
            "spec.servers[0].tls.credentialName: is not for ISTIO_MUTUAL",
        ),
        (
            "HTTPS",
            "mode: SIMPLE, credentialName: c, serverCertificate: /a, privateKey: /b",
            "spec.servers[0].tls: has several certificates",
        ),
        ("HTTP", "mode: SIMPLE, credentialName: c", "spec.servers[0].tls: a port of HTTP is plaintext"),
        ("TCP", "mode: SIMPLE, credentialName: c", "spec.servers[0].tls: a port of TCP has no TLS"),
    ] {
        let said = with_tls(protocol, tls);
        assert!(said.contains(message), "{protocol} {tls}: {said}");
    }
}

#[test]
fn a_server_needs_hosts_a_port_and_tls_where_its_protocol_has_it() {
    let said = said("{port: {number: 0, protocol: QUIC}, hosts: [a, x_y/b.example.com]}");
    for message in [
        "spec.servers[0].port.number: 0 is out of range",
        "spec.servers[0].port.name: is missing",
        "\"QUIC\" is not a protocol that Istio knows",
        "\"a\" is a short name",
        "\"x_y\" is neither '.', '*', nor the name of a namespace",
    ] {
        assert!(said.contains(message), "{message}: {said}");
    }
    let said = self::said("{port: {number: 443, name: p, protocol: HTTPS}, hosts: ['*']}");
    assert!(said.contains("spec.servers[0].tls: is missing; a port of HTTPS needs a TLS mode"), "{said}");
}

#[test]
fn what_is_not_modelled_is_named() {
    let said =
        with_tls("HTTPS", "mode: MUTUAL, credentialName: c, verifyCertificateSpki: [x], minProtocolVersion: TLSV1_1");
    assert!(said.contains("spec.servers[0].tls.verifyCertificateSpki: warning: is not supported yet"), "{said}");
    assert!(said.contains("minProtocolVersion: warning: is below TLS 1.2"), "{said}");
}
