//! All TLS failures, with real peers.

use pretty_assertions::assert_eq;

use super::*;

fn alert(name: &str) -> (Stage, FailureKind) {
    (Stage::Tls, FailureKind::TlsAlert { alert: name.into() })
}

fn certificate(problem: CertificateProblem) -> (Stage, FailureKind) {
    (Stage::Tls, FailureKind::Certificate { problem })
}

/// Calls a server with this certificate by the name `server.test`.
async fn call_server_with(trusted: &Pki, cert_and_key: &str) -> ClientReport {
    let server = Running::start(&format!("--https 127.0.0.1:0 {cert_and_key}"));
    let port = server.port(Protocol::Https);
    call_with(&format!("https://127.0.0.1:{port} --ca {} --sni server.test", trusted.ca())).await
}

#[tokio::test]
async fn a_certificate_of_an_untrusted_ca_is_refused_and_reported() {
    let (trusted, rogue) = (Pki::new(), Pki::named("rogue"));
    let report = call_server_with(&trusted, &rogue.issue("server", &["server.test"])).await;
    assert_eq!(failure(&report), certificate(CertificateProblem::UnknownIssuer));
    let tls = report.tls.unwrap();
    assert!(!tls.verified);
    assert_eq!(tls.peer_certificate.unwrap().sans, ["DNS:server.test"]);
}

/// A verifier finds the issuer by its name, and so takes the rogue CA for the trusted one until it checks the signature.
#[tokio::test]
async fn an_untrusted_ca_with_a_trusted_name_is_detected_by_its_signature() {
    let (trusted, rogue) = (Pki::named("root"), Pki::named("root"));
    let report = call_server_with(&trusted, &rogue.issue("server", &["server.test"])).await;
    assert_eq!(failure(&report), certificate(CertificateProblem::BadSignature));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let pki = Pki::new();
    let report = call_server_with(&pki, &pki.issue("server", &["other.test"])).await;
    assert_eq!(failure(&report), certificate(CertificateProblem::NotValidForName));
}

#[tokio::test]
async fn an_svid_does_not_match_a_dns_name() {
    let pki = Pki::new();
    let report = call_server_with(&pki, &pki.issue("server", &["spiffe://cluster.local/ns/default/sa/server"])).await;
    assert_eq!(failure(&report), certificate(CertificateProblem::NotValidForName));
    let shown = report.tls.unwrap().peer_certificate.unwrap();
    assert_eq!(shown.uri(), Some("spiffe://cluster.local/ns/default/sa/server"));
}

#[tokio::test]
async fn expired_and_not_yet_valid_certificates_are_refused() {
    let pki = Pki::new();
    let expired = call_server_with(&pki, &pki.issue_for_years("old", &["server.test"], 2000, 2001)).await;
    assert_eq!(failure(&expired), certificate(CertificateProblem::Expired));
    let early = call_server_with(&pki, &pki.issue_for_years("new", &["server.test"], 2099, 2100)).await;
    assert_eq!(failure(&early), certificate(CertificateProblem::NotYetValid));
}

#[tokio::test]
async fn a_server_that_requires_a_certificate_refuses_at_the_tls_stage_in_both_versions() {
    let (pki, rogue) = (Pki::new(), Pki::named("rogue"));
    let server = pki.issue("server", &["127.0.0.1"]);
    let strange = rogue.issue("client", &["client.test"]);
    let server =
        Running::start(&format!("--mtls 127.0.0.1:0 --mtls-http 127.0.0.1:0 {server} --client-ca {}", pki.ca()));
    let (raw, http) = (server.port(Protocol::Mtls), server.port(Protocol::MtlsHttp));
    for target in [format!("tls://127.0.0.1:{raw}"), format!("https://127.0.0.1:{http}/")] {
        for version in ["1.2", "1.3"] {
            let line = format!("{target} --ca {} --tls-version {version}", pki.ca());
            let without = call_with(&line).await;
            assert_eq!(failure(&without), alert("certificate_required"), "{line}");
            let tls = without.tls.unwrap();
            assert_eq!(tls.client_certificate, ClientCertificate::Missing, "{line}");
            assert_eq!(tls.peer_certificate.unwrap().sans, ["IP:127.0.0.1"], "{line}");
            let strange = call_with(&format!("{line} {strange}")).await;
            assert_eq!(failure(&strange), alert("unknown_ca"), "{line}");
            assert_eq!(strange.tls.unwrap().client_certificate, ClientCertificate::Sent, "{line}");
        }
    }
}

#[tokio::test]
async fn a_refused_certificate_is_reported_even_while_sending_a_lot() {
    let pki = Pki::new();
    let server = pki.issue("server", &["127.0.0.1"]);
    let server = Running::start(&format!("--mtls 127.0.0.1:0 {server} --client-ca {}", pki.ca()));
    let port = server.port(Protocol::Mtls);
    for _ in 0..20 {
        let report = call_with(&format!("tls://127.0.0.1:{port} --ca {} --bytes 3000000", pki.ca())).await;
        assert_eq!(failure(&report), alert("certificate_required"));
    }
}

#[tokio::test]
async fn alpn_without_overlap_is_refused() {
    let server = Running::start("--https 127.0.0.1:0 --self-signed localhost");
    let port = server.port(Protocol::Https);
    let report = call_with(&format!("https://127.0.0.1:{port} -k --alpn istio")).await;
    assert_eq!(failure(&report), alert("no_application_protocol"));
}

#[tokio::test]
async fn versions_without_overlap_are_refused() {
    let server = Running::start("--tls 127.0.0.1:0 --self-signed localhost --tls-version 1.3");
    let port = server.port(Protocol::Tls);
    let report = call_with(&format!("tls://127.0.0.1:{port} -k --tls-version 1.2")).await;
    assert_eq!(failure(&report), alert("protocol_version"));
}

#[tokio::test]
async fn a_plaintext_answer_is_not_tls_and_is_quoted() {
    for (answer, shown) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), "HTTP/1.1 400 Bad Request\\r\\n\\r\\n"),
        (b"220 ready\r\n", "220 ready\\r\\n"),
        // Shorter than a TLS record header: rustls only sees an end of file.
        (b"no", "no"),
    ] {
        let port = peer_that(Behaviour::Answers(answer)).await;
        let report = call_with(&format!("https://127.0.0.1:{port} -k")).await;
        assert_eq!(failure(&report), (Stage::Tls, FailureKind::NotTls { first_bytes: shown.into() }));
        assert_eq!(report.tls.unwrap().version, None);
    }
}

#[tokio::test]
async fn reset_close_and_silence_during_a_handshake_are_distinguished() {
    for (behaviour, kind) in [
        (Behaviour::Closes, FailureKind::Eof),
        (Behaviour::Resets, FailureKind::ConnectionReset),
        (Behaviour::Hangs, FailureKind::Timeout),
        (
            Behaviour::Answers(b"\x15\x03\x03\x00\x02\x02\x28"),
            FailureKind::TlsAlert { alert: "handshake_failure".into() },
        ),
    ] {
        let port = peer_that(behaviour).await;
        let report = call_with(&format!("tls://127.0.0.1:{port} -k --connect-timeout 0.3")).await;
        assert_eq!(failure(&report), (Stage::Tls, kind));
    }
}
