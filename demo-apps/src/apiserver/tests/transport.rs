//! How a webhook is called, and transport failures.

use std::sync::Arc;

use pretty_assertions::assert_eq;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::client::{CallArgs, call};
use crate::report::Event;

/// The end of the message of a failed call.
fn reason(report: &AdmissionReport) -> &str {
    assert_eq!(report.decision, Decision::Rejected);
    let (head, reason) = message_of(report).split_once("svc:443/validate?timeout=5s\": ").unwrap();
    assert!(head.starts_with("Internal error occurred: failed calling webhook"), "{head}");
    reason
}

#[tokio::test]
async fn a_webhook_is_called_over_one_way_tls_without_a_meshs_alpn() {
    let cluster = Cluster::new();
    let report = cluster.validate(cluster.hook("allow", "/validate")).await;
    let tls = report.webhooks[0].call.as_ref().unwrap().tls.clone().unwrap();
    assert_eq!(tls.sni.as_deref(), Some(NAME));
    assert_eq!(tls.alpn_offered, ["http/1.1"]);
    assert_eq!(tls.client_certificate, ClientCertificate::NotRequested);
    assert!(tls.verified);
    let Event::Request { seen, .. } = cluster.server.logged(|event| matches!(event, Event::Request { .. })).await
    else {
        panic!()
    };
    assert_eq!((seen.method.as_str(), seen.header("host")), ("POST", Some("webhook.default.svc:443")));
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let (cluster, other) = (Cluster::new(), Pki::named("another"));
    let mut hook = cluster.hook("strange", "/validate");
    hook["clientConfig"]["caBundle"] = STANDARD.encode(std::fs::read(other.ca()).unwrap()).into();
    let report = cluster.validate(hook).await;
    assert_eq!(reason(&report), "tls: failed to verify certificate: x509: certificate signed by unknown authority");
    let problem = CertificateProblem::UnknownIssuer;
    assert_eq!(kind(report.webhooks[0].call.as_ref().unwrap()), FailureKind::Certificate { problem });
}

#[tokio::test]
async fn of_a_strange_certificate_for_another_name_the_name_is_what_is_wrong() {
    let (cluster, other) =
        (Cluster::with_names(&["spiffe://cluster.local/ns/default/sa/webhook"]), Pki::named("another"));
    let mut hook = cluster.hook("strange", "/validate");
    hook["clientConfig"]["caBundle"] = STANDARD.encode(std::fs::read(other.ca()).unwrap()).into();
    let report = cluster.validate(hook).await;
    let said = "tls: failed to verify certificate: x509: certificate is not valid for any names, but wanted to match webhook.default.svc";
    assert_eq!(reason(&report), said);
}

#[tokio::test]
async fn without_a_ca_bundle_the_hosts_cas_are_trusted() {
    let cluster = Cluster::new();
    let mut hook = cluster.hook("public", "/validate");
    hook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    let report = cluster.validate(hook).await;
    assert!(!report.created(), "no host trusts the CA of a test");
    assert!(report.webhooks[0].call.is_some());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    for (sans, said) in [
        (&["other.test"][..], "certificate is valid for other.test, not webhook.default.svc"),
        (
            &["spiffe://cluster.local/ns/default/sa/webhook"],
            "certificate is not valid for any names, but wanted to match webhook.default.svc",
        ),
    ] {
        let cluster = Cluster::with_names(sans);
        let report = cluster.validate(cluster.hook("named", "/validate")).await;
        assert_eq!(reason(&report), format!("tls: failed to verify certificate: x509: {said}"));
    }
}

#[tokio::test]
async fn a_ca_bundle_that_is_not_pem_prevents_the_call() {
    let cluster = Cluster::new();
    let mut hook = cluster.hook("unreadable", "/validate");
    hook["clientConfig"]["caBundle"] = STANDARD.encode("no PEM").into();
    let report = cluster.validate(hook).await;
    let said = "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block";
    assert!(message_of(&report).ends_with(said), "{}", message_of(&report));
    assert_eq!(report.webhooks[0].call, None);
}

#[tokio::test]
async fn other_listeners_are_reported_by_their_behaviour() {
    let cluster = Cluster::new();
    let hook = || [cluster.hook("peer", "/validate")];
    let cases = [
        (deserted_port().await, "connect: connection refused"),
        (peer_that(Behaviour::Closes).await, "EOF"),
        (peer_that(Behaviour::Resets).await, "read: connection reset by peer"),
        (
            peer_that(Behaviour::Answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await,
            "http: server gave HTTP response to HTTPS client",
        ),
        (peer_that(Behaviour::Answers(b"220 ready\r\n")).await, "tls: first record does not look like a TLS handshake"),
    ];
    for (port, said) in cases {
        let report = cluster.create_at(port, "", &[], &hook()).await;
        assert!(reason(&report).ends_with(said), "{}", message_of(&report));
    }
}

#[tokio::test]
async fn a_url_is_called_as_configured() {
    let cluster = Cluster::with_names(&["localhost"]);
    let mut hook = cluster.hook("url", "");
    hook["clientConfig"].as_object_mut().unwrap().remove("service");
    hook["clientConfig"]["url"] = format!("https://localhost:{}/validate", cluster.port()).into();
    let report = cluster.validate(hook.clone()).await;
    assert_eq!(report.decision, Decision::Allowed, "{:?}", report.message);

    hook["clientConfig"]["url"] = "http://localhost/validate".into();
    assert!(message_of(&cluster.validate(hook).await).ends_with("is not HTTPS"));
}

#[tokio::test]
async fn half_a_megabyte_of_garbage_does_not_disturb_the_webhook() {
    let cluster = Cluster::new();
    let mut tcp = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    let garbage: Vec<u8> = (0..512 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    // The webhook may close before everything is written.
    let _ = tcp.write_all(&garbage).await;
    let _ = tcp.read_to_end(&mut Vec::new()).await;
    cluster.server.logged(|event| matches!(event, Event::TlsFailed { .. })).await;
    assert_eq!(cluster.validate(cluster.hook("allow", "/validate")).await.decision, Decision::Allowed);
}

#[tokio::test]
async fn a_client_hello_in_fragments_is_reassembled() {
    let cluster = Cluster::new();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in crate::tls::certificates(cluster.pki.ca().as_ref()).unwrap() {
        roots.add(certificate).unwrap();
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // rustls' minimum: a ClientHello takes several such records.
    config.max_fragment_size = Some(32);
    let name = ServerName::try_from(NAME).unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    assert!(hello.len() > 200, "several records: {}", hello.len());
    let mut tcp = TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    for segment in hello.chunks(20) {
        tcp.write_all(segment).await.unwrap();
        tokio::task::yield_now().await;
    }
    while tls.is_handshaking() {
        let mut buffer = [0; 4096];
        let n = tcp.read(&mut buffer).await.unwrap();
        assert!(n > 0, "the webhook ended the handshake");
        tls.read_tls(&mut &buffer[..n]).unwrap();
        tls.process_new_packets().unwrap();
    }
}

#[tokio::test]
async fn a_body_that_is_not_an_admission_review_is_answered_with_400() {
    let cluster = Cluster::new();
    let line =
        format!("https://127.0.0.1:{}/validate --ca {} --sni {NAME} --data nonsense", cluster.port(), cluster.pki.ca());
    let args: CallArgs = parse(&line).unwrap();
    let report = call(&args).await.unwrap();
    assert_eq!(report.status(), Some(400));
}
