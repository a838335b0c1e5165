//! gRPC calls and their failures.

use ::http::Response;
use http_body_util::Full;
use pretty_assertions::assert_eq;

use super::*;
use crate::report::{GrpcFacts, GrpcStatus};
use crate::testing::peer_that_answers;

fn grpc(report: &ClientReport) -> &GrpcFacts {
    report.grpc.as_ref().unwrap_or_else(|| panic!("no gRPC: {report:?}"))
}

fn status(report: &ClientReport) -> (u32, &str) {
    let status = grpc(report).status.as_ref().unwrap();
    (status.code, status.name.as_str())
}

async fn echo(path_and_options: &str) -> ClientReport {
    let server = Running::start("--http 127.0.0.1:0 --name srv");
    call_with(&format!("grpc://127.0.0.1:{}{path_and_options}", server.port(Protocol::Http))).await
}

#[tokio::test]
async fn a_message_is_echoed_with_the_status_in_trailers() {
    let report = echo(" --marker p7 -H x-one:1").await;
    let facts = grpc(succeeded(&report));
    assert_eq!((facts.method.as_str(), facts.messages_sent, facts.messages_received), ("/sidelab.Echo/Unary", 1, 1));
    assert_eq!(facts.messages, [Body::Text("sidelab-probe p7\ndemo-client 1\n".into())]);
    assert_eq!(status(&report), (0, "OK"));
    assert!(!facts.interleaved);
    let http = report.http.as_ref().unwrap();
    assert_eq!((http.status, http.version.as_str()), (200, "HTTP/2.0"));
    assert_eq!(http.header("content-type"), Some("application/grpc"));
    assert_eq!(http.header("x-sidelab-probe"), Some("p7"));
    assert_eq!((http.header("grpc-status"), http.trailer("grpc-status")), (None, Some("0")));
    assert_eq!(http.body_bytes, 5 + "sidelab-probe p7\ndemo-client 1\n".len() as u64);
}

#[tokio::test]
async fn bidirectional_streams_alternate_message_by_message() {
    let report = echo(" --messages 5 --data hi").await;
    let facts = grpc(succeeded(&report));
    assert_eq!(facts.method, "/sidelab.Echo/Stream");
    assert_eq!((facts.messages_sent, facts.messages_received), (5, 5));
    assert!(facts.interleaved);
    assert_eq!(facts.messages, vec![Body::Text("hi".into()); 5]);
}

#[tokio::test]
async fn a_client_stream_gets_one_message() {
    let report = echo("/sidelab.Echo/ClientStream --messages 3").await;
    let facts = grpc(succeeded(&report));
    assert_eq!((facts.messages_sent, facts.messages_received, facts.interleaved), (3, 1, false));
    assert_eq!(facts.messages, [Body::Text("demo-client 1\ndemo-client 2\ndemo-client 3\n".into())]);
}

#[tokio::test]
async fn one_message_gets_a_server_stream() {
    let report = echo("/sidelab.Echo/ServerStream --messages 3 --bytes 100000").await;
    let facts = grpc(succeeded(&report));
    assert_eq!((facts.messages_sent, facts.messages_received, facts.interleaved), (1, 3, false));
    assert!(facts.messages.is_empty(), "each exceeds the limit for kept messages");
}

#[tokio::test]
async fn messages_larger_than_any_window_are_streamed_in_both_directions() {
    let report = echo(" --messages 4 --bytes 1000000").await;
    assert_eq!(grpc(succeeded(&report)).messages_received, 4);
}

#[tokio::test]
async fn the_seen_method_answers_with_what_the_app_saw() {
    let report =
        echo("/sidelab.Echo/Seen -H host:server.default.svc:8080 -H x-forwarded-client-cert:By=spiffe://x").await;
    let seen = grpc(succeeded(&report)).messages[0].seen().unwrap();
    assert_eq!((seen.app.as_str(), seen.method.as_str(), seen.path.as_str()), ("srv", "POST", "/sidelab.Echo/Seen"));
    assert_eq!(seen.header("host"), Some("server.default.svc:8080"));
    assert_eq!(seen.header("x-forwarded-client-cert"), Some("By=spiffe://x"));
    assert_eq!((seen.header("te"), seen.header("content-type")), (Some("trailers"), Some("application/grpc")));
}

#[tokio::test]
async fn a_status_other_than_ok_is_a_failure_with_its_name() {
    // The code in the message counts, with or without a mark. Without a code, the argument is invalid.
    for (line, code, name) in [
        ("/sidelab.Echo/Fail --data 14", 14, "UNAVAILABLE"),
        ("/sidelab.Echo/Fail --marker p1 --data 5", 5, "NOT_FOUND"),
        ("/sidelab.Echo/Fail --marker p1", 3, "INVALID_ARGUMENT"),
        ("/sidelab.Echo/Fail -H x-sidelab-grpc-status:many", 3, "INVALID_ARGUMENT"),
    ] {
        let report = echo(line).await;
        assert_eq!(failure(&report), (Stage::Http, FailureKind::GrpcStatus { code, name: name.into() }), "{line}");
    }
    let report = echo("/sidelab.Echo/Fail -H x-sidelab-grpc-status:7 -H x-sidelab-grpc-message:100%\u{e9}").await;
    let kind = FailureKind::GrpcStatus { code: 7, name: "PERMISSION_DENIED".into() };
    assert_eq!(failure(&report), (Stage::Http, kind));
    let expected = GrpcStatus { code: 7, name: "PERMISSION_DENIED".into(), message: "100%\u{e9}".into() };
    assert_eq!(grpc(&report).status.as_ref(), Some(&expected));
    let http = report.http.unwrap();
    assert_eq!((http.trailer("grpc-status"), http.trailer("grpc-message")), (Some("7"), Some("100%25%C3%A9")));
    // 0 is a valid code, too.
    succeeded(&echo("/sidelab.Echo/Fail --data 0").await);
}

#[tokio::test]
async fn an_unknown_method_gets_a_trailers_only_response() {
    let report = echo("/some.Service/Method").await;
    assert_eq!(status(&report), (12, "UNIMPLEMENTED"));
    let http = report.http.unwrap();
    assert_eq!((http.header("grpc-status"), http.trailers.len(), http.body_bytes), (Some("12"), 0, 0));
}

#[tokio::test]
async fn a_response_that_is_not_grpc_is_judged_by_its_http_status() {
    let port =
        peer_that_answers(|| Response::builder().status(503).body(Full::from("no healthy upstream")).unwrap()).await;
    let report = call_with(&format!("grpc://127.0.0.1:{port}")).await;
    let kind = FailureKind::GrpcStatus { code: 14, name: "UNAVAILABLE".into() };
    assert_eq!(failure(&report), (Stage::Http, kind));
    let http = report.http.unwrap();
    assert_eq!((http.status, http.body), (503, Body::Text("no healthy upstream".into())));

    let port = peer_that_answers(|| Response::new(Full::from("<html>"))).await;
    assert_eq!(status(&call_with(&format!("grpc://127.0.0.1:{port}")).await), (2, "UNKNOWN"));
}

#[tokio::test]
async fn a_response_without_status_or_with_other_messages_is_a_failure() {
    let head = || Response::builder().header("content-type", "application/grpc");
    let bare = move || head().body(Full::from(&b"\0\0\0\0\x01x"[..])).unwrap();
    let port = peer_that_answers(bare).await;
    let report = call_with(&format!("grpc://127.0.0.1:{port}/a.B/C")).await;
    assert_eq!((status(&report), grpc(&report).messages_received), ((2, "UNKNOWN"), 1));
    let report = call_with(&format!("grpc://127.0.0.1:{port}")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::EchoMismatch));

    let nothing = move || head().header("grpc-status", "0").body(Full::default()).unwrap();
    let port = peer_that_answers(nothing).await;
    let report = call_with(&format!("grpc://127.0.0.1:{port}")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::EchoMismatch));

    let cut = move || head().body(Full::from(&b"\0\0\0\0\x05x"[..])).unwrap();
    let port = peer_that_answers(cut).await;
    let (stage, kind) = failure(&call_with(&format!("grpc://127.0.0.1:{port}/a.B/C")).await);
    assert!(matches!(&kind, FailureKind::HttpProtocol { reason } if reason.contains("within a message")), "{kind:?}");
    assert_eq!(stage, Stage::Http);
}

#[tokio::test]
async fn a_broken_connection_keeps_its_kind_of_failure() {
    let port = deserted_port().await;
    let report = call_with(&format!("grpc://127.0.0.1:{port}")).await;
    assert_eq!(failure(&report), (Stage::Connect, FailureKind::ConnectionRefused));
    assert_eq!(report.grpc, None);
    let port = peer_that(Behaviour::Resets).await;
    let report = call_with(&format!("grpc://127.0.0.1:{port}")).await;
    // While sending or receiving: the client does both concurrently.
    assert_eq!(failure(&report).1, FailureKind::ConnectionReset);
    assert_eq!(grpc(&report).status, None);
    let port = peer_that(Behaviour::Answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let (stage, kind) = failure(&call_with(&format!("grpc://127.0.0.1:{port}")).await);
    assert_eq!(stage, Stage::Http);
    assert!(matches!(kind, FailureKind::HttpParse { .. }), "{kind:?}");
    let port = peer_that(Behaviour::Hangs).await;
    let report = call_with(&format!("grpc://127.0.0.1:{port} --timeout 1")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::Timeout));
}

#[tokio::test]
async fn grpc_inside_tls_offers_h2() {
    let server = Running::start("--https 127.0.0.1:0 --self-signed localhost");
    let report = call_with(&format!("grpcs://127.0.0.1:{} -k --messages 2", server.port(Protocol::Https))).await;
    assert!(grpc(succeeded(&report)).interleaved);
    let tls = report.tls.as_ref().unwrap();
    assert_eq!((tls.alpn_offered.clone(), tls.alpn.as_deref()), (vec!["h2".to_owned()], Some("h2")));
}

#[tokio::test]
async fn trailers_of_plain_http_are_reported() {
    let server = Running::start("--http 127.0.0.1:0 --name srv");
    let url = format!("http://127.0.0.1:{}/trailers", server.port(Protocol::Http));
    for options in ["--http2", "-H te:trailers"] {
        let report = call_with(&format!("{url} {options}")).await;
        let http = succeeded(&report).http.as_ref().unwrap();
        assert_eq!(http.trailer("x-sidelab-app"), Some("srv"), "{options}");
        assert_eq!(http.trailer("x-sidelab-body-bytes"), Some(http.body_bytes.to_string().as_str()), "{options}");
    }
    let report = call_with(&url).await;
    assert!(succeeded(&report).http.as_ref().unwrap().trailers.is_empty(), "HTTP/1.1 must be asked for them");
}
