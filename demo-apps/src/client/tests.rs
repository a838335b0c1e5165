use pretty_assertions::assert_eq;

use super::*;
use crate::failure::{CertificateProblem, FailureKind, Stage};
use crate::report::{ClientCertificate, Ended};
use crate::server::Protocol;
use crate::testing::{Behaviour, Pki, Running, call_with, deserted_port, parse, peer_that};

mod failures;
mod grpc;
mod refused_tls;
mod websocket;

fn failure(report: &ClientReport) -> (Stage, FailureKind) {
    let failure = report.error.clone().unwrap_or_else(|| panic!("went through: {report:?}"));
    assert!(!report.ok);
    assert!(!failure.message.is_empty());
    (failure.stage, failure.kind)
}

fn succeeded(report: &ClientReport) -> &ClientReport {
    assert!(report.ok, "{:?}", report.error);
    assert_eq!(report.error, None);
    report
}

#[tokio::test]
async fn a_response_has_status_headers_body_and_the_marker() {
    let server = Running::start("--http 127.0.0.1:0 --name srv");
    let port = server.port(Protocol::Http);
    let report = call_with(&format!("http://127.0.0.1:{port}/a?b=c --marker p7 -H x-one:1 -H x-one:2")).await;

    let http = succeeded(&report).http.as_ref().unwrap();
    assert_eq!((http.status, http.version.as_str()), (200, "HTTP/1.1"));
    assert_eq!(http.header("x-sidelab-probe"), Some("p7"));
    let seen = http.seen().unwrap();
    assert_eq!((seen.app.as_str(), seen.method.as_str(), seen.path.as_str()), ("srv", "GET", "/a?b=c"));
    assert_eq!(seen.header("host"), Some(format!("127.0.0.1:{port}").as_str()));
    assert_eq!(seen.headers.iter().filter(|(name, _)| name == "x-one").count(), 2);
    assert_eq!(Some(seen.peer), report.local);
    assert_eq!(Some(seen.local), report.remote);
}

#[tokio::test]
async fn timings_are_relative_to_the_start_and_increase() {
    let server = Running::start("--https 127.0.0.1:0 --self-signed localhost");
    let port = server.port(Protocol::Https);
    let report = call_with(&format!("https://127.0.0.1:{port}/slow/20 -k")).await;
    let timings = succeeded(&report).timings.clone();
    let stages =
        [timings.resolve_us, timings.connect_us, timings.tls_us, timings.first_byte_us, Some(timings.total_us)];
    let stages: Vec<u64> = stages.into_iter().map(Option::unwrap).collect();
    assert!(stages.is_sorted(), "{stages:?}");
    assert!(timings.first_byte_us.unwrap() - timings.tls_us.unwrap() >= 20_000);
}

#[tokio::test]
async fn a_long_body_is_counted_completely_and_kept_in_part() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    let report = call_with(&format!("http://127.0.0.1:{port}/bytes/1000000")).await;
    let http = succeeded(&report).http.as_ref().unwrap();
    assert_eq!(http.body_bytes, 1_000_000);
    assert!(matches!(&http.body, Body::Text(text) if text.len() == Body::LIMIT));
}

#[test]
fn bytes_that_are_not_text_are_kept_as_base64() {
    assert_eq!(Body::from_bytes(b"plain"), Body::Text("plain".into()));
    assert_eq!(Body::from_bytes(&[0x15, 0x03, 0xff]), Body::Base64("FQP/".into()));
}

#[tokio::test]
async fn a_body_is_echoed() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    let report = call_with(&format!("http://127.0.0.1:{port}/echo --data hello")).await;
    assert_eq!(succeeded(&report).http.as_ref().unwrap().body, Body::Text("hello".into()));
    let report = call_with(&format!("http://127.0.0.1:{port}/echo --bytes 300000 -X PUT")).await;
    assert_eq!(succeeded(&report).http.as_ref().unwrap().body_bytes, 300_000);
}

#[tokio::test]
async fn http2_is_used_with_prior_knowledge_and_by_alpn() {
    let server = Running::start("--http 127.0.0.1:0 --https 127.0.0.1:0 --self-signed localhost");
    let (http, https) = (server.port(Protocol::Http), server.port(Protocol::Https));
    for line in [
        format!("http://127.0.0.1:{http}/x --http2"),
        format!("https://127.0.0.1:{https}/x -k --http2"),
        format!("https://127.0.0.1:{https}/x -k --alpn http/1.1,h2"),
    ] {
        let report = call_with(&line).await;
        let facts = succeeded(&report).http.as_ref().unwrap();
        assert_eq!(facts.version, "HTTP/2.0", "{line}");
        assert!(facts.seen().unwrap().header("host").unwrap().starts_with("127.0.0.1:"), "{line}");
    }
}

#[tokio::test]
async fn tls_facts_say_what_was_negotiated_and_who_the_peer_is() {
    let pki = Pki::new();
    let server = pki.issue("server", &["server.default.svc", "spiffe://cluster.local/ns/default/sa/server"]);
    let server = Running::start(&format!("--https 127.0.0.1:0 {server}"));
    let port = server.port(Protocol::Https);
    let report = call_with(&format!("https://127.0.0.1:{port} --ca {} --sni server.default.svc", pki.ca())).await;

    let tls = succeeded(&report).tls.as_ref().unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    assert!(tls.suite.as_ref().unwrap().starts_with("TLS_"), "{tls:?}");
    assert_eq!(tls.group.as_deref(), Some("X25519MLKEM768"));
    assert_eq!(tls.sni.as_deref(), Some("server.default.svc"));
    assert_eq!((tls.alpn_offered.clone(), tls.alpn.as_deref()), (vec!["http/1.1".into()], Some("http/1.1")));
    assert!(tls.verified);
    assert_eq!(tls.client_certificate, ClientCertificate::NotRequested);
    let certificate = tls.peer_certificate.as_ref().unwrap();
    assert_eq!(certificate.sans, ["DNS:server.default.svc", "URI:spiffe://cluster.local/ns/default/sa/server"]);
    assert_eq!(certificate.uri(), Some("spiffe://cluster.local/ns/default/sa/server"));
    assert_eq!((certificate.not_before, certificate.not_after), (946_684_800, 4_102_444_800));
    assert_eq!(certificate.sha256.len(), 64);
}

#[tokio::test]
async fn tls_1_2_is_used_if_nothing_else_is_offered() {
    let server = Running::start("--tls 127.0.0.1:0 --self-signed localhost");
    let port = server.port(Protocol::Tls);
    let report = call_with(&format!("tls://127.0.0.1:{port} -k --tls-version 1.2")).await;
    let tls = succeeded(&report).tls.as_ref().unwrap();
    assert_eq!(tls.version.as_deref(), Some("TLSv1.2"));
    assert!(tls.suite.as_ref().unwrap().starts_with("TLS_ECDHE_ECDSA_WITH_"), "{tls:?}");
    assert!(!tls.verified, "nothing is verified with --insecure");
}

#[tokio::test]
async fn both_ends_of_mutual_tls_know_each_other() {
    let pki = Pki::new();
    let server = pki.issue("server", &["127.0.0.1"]);
    let client = pki.issue("client", &["spiffe://cluster.local/ns/default/sa/client"]);
    let server = Running::start(&format!("--mtls-http 127.0.0.1:0 {server} --client-ca {}", pki.ca()));
    let port = server.port(Protocol::MtlsHttp);
    for version in ["1.2", "1.3"] {
        let line = format!("https://127.0.0.1:{port} --ca {} {client} --tls-version {version}", pki.ca());
        let report = call_with(&line).await;
        assert_eq!(succeeded(&report).tls.as_ref().unwrap().client_certificate, ClientCertificate::Sent);
        let seen = report.http.as_ref().unwrap().seen().unwrap();
        let identity = seen.tls.unwrap().client_certificate.unwrap();
        assert_eq!(identity.uri(), Some("spiffe://cluster.local/ns/default/sa/client"));
    }
}

#[tokio::test]
async fn any_number_of_raw_bytes_is_echoed() {
    let server = Running::start("--tcp 127.0.0.1:0 --tls 127.0.0.1:0 --self-signed localhost");
    let (tcp, tls) = (server.port(Protocol::Tcp), server.port(Protocol::Tls));
    for target in [format!("tcp://127.0.0.1:{tcp}"), format!("tls://127.0.0.1:{tls} -k")] {
        let report = call_with(&format!("{target} --marker m1")).await;
        let stream = succeeded(&report).stream.as_ref().unwrap();
        assert_eq!(stream.data, Some(Body::Text("sidelab-probe m1\n".into())));
        assert_eq!(stream.ended, None, "the client closed first");
        let report = call_with(&format!("{target} --bytes 5000000")).await;
        assert_eq!(succeeded(&report).stream.as_ref().unwrap().received, 5_000_000);
    }
}

#[tokio::test]
async fn half_close_is_answered_by_the_end_of_the_stream() {
    let server = Running::start("--tcp 127.0.0.1:0 --tls 127.0.0.1:0 --self-signed localhost");
    let (tcp, tls) = (server.port(Protocol::Tcp), server.port(Protocol::Tls));
    let ended = |report: &ClientReport| report.stream.as_ref().unwrap().ended;
    let plain = call_with(&format!("tcp://127.0.0.1:{tcp} --half-close --bytes 100000")).await;
    assert_eq!((ended(succeeded(&plain)), plain.stream.as_ref().unwrap().received), (Some(Ended::Fin), 100_000));
    let inside_tls = call_with(&format!("tls://127.0.0.1:{tls} -k --half-close")).await;
    assert_eq!(ended(succeeded(&inside_tls)), Some(Ended::CloseNotify));
}

#[tokio::test]
async fn a_greeting_is_read_before_anything_is_sent() {
    let server = Running::start("--tcp-greeting 127.0.0.1:0 --name srv");
    let port = server.port(Protocol::TcpGreeting);
    let report = call_with(&format!("tcp://127.0.0.1:{port} --server-first --data hi")).await;
    let data = succeeded(&report).stream.as_ref().unwrap().data.clone();
    assert_eq!(data, Some(Body::Text("220 srv ready\r\nhi".into())));
}

#[tokio::test]
async fn invalid_options_are_reported_before_anything_is_tried() {
    let pki = Pki::new();
    let ca = pki.ca();
    for (line, expected) in [
        ("https://localhost", "--ca FILE"),
        ("https://localhost --ca /nowhere.pem", "/nowhere.pem"),
        (&format!("https://localhost --ca {ca} --cert {ca} --key {ca}"), "private key"),
        ("https://localhost -k --sni a..b", "DNS name"),
        ("http://localhost --sni name", "--sni"),
        ("http://localhost --half-close", "--half-close"),
        ("http://localhost --reset", "--reset"),
        ("http://localhost -H nonsense", "NAME:VALUE"),
        ("http://localhost -X b@d", "method"),
        ("tcp://localhost:1 -H a:b", "--header"),
        ("tcp://localhost:1 --http2", "--http2"),
        ("http://localhost --messages 2", "--messages"),
        ("tcp://localhost:1 --messages 2", "--messages"),
        ("grpc://localhost:1 --fail", "--fail"),
        ("grpc://localhost:1/sidelab.Echo/Unary --messages 2", "/sidelab.Echo/Stream"),
        ("grpcs://localhost:1", "--ca FILE"),
        ("ws://localhost/ws --http2", "--http2"),
        ("ws://localhost/ws -X POST", "--method"),
    ] {
        let error = call(&parse(line).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
    for line in ["ftp://x", "http://x:70000/", "tcp://x", "http://", "tcp://x:1 --timeout 0", "https://x -k --cert a"] {
        assert!(parse::<CallArgs>(line).is_err(), "{line}");
    }
}
