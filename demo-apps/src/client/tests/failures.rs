//! All failures except those of TLS, with real peers.

use pretty_assertions::assert_eq;

use super::*;

#[tokio::test]
async fn a_port_without_listener_refuses() {
    let port = deserted_port().await;
    let report = call_with(&format!("http://127.0.0.1:{port}/")).await;
    assert_eq!(failure(&report), (Stage::Connect, FailureKind::ConnectionRefused));
    assert_eq!(report.remote.unwrap().port(), port);
    assert_eq!(report.timings.connect_us, None);
}

#[tokio::test]
async fn an_unknown_name_does_not_resolve() {
    // RFC 6761 reserves `invalid` for names that never exist.
    let (stage, kind) = failure(&call_with("tcp://name.invalid:1").await);
    assert_eq!((stage, kind), (Stage::Resolve, FailureKind::Resolution));
}

#[tokio::test]
async fn an_address_of_the_other_family_does_not_resolve() {
    let (stage, kind) = failure(&call_with("tcp://127.0.0.1:1 -6").await);
    assert_eq!((stage, kind), (Stage::Resolve, FailureKind::Resolution));
}

#[tokio::test]
async fn a_reset_instead_of_a_response_is_a_reset() {
    let port = peer_that(Behaviour::Resets).await;
    for target in ["http", "tcp"] {
        let report = call_with(&format!("{target}://127.0.0.1:{port}")).await;
        assert_eq!(failure(&report), (Stage::Receive, FailureKind::ConnectionReset));
        assert_eq!(report.stream.unwrap().ended, Some(Ended::Reset));
    }
}

#[tokio::test]
async fn a_close_before_the_response_is_an_eof() {
    let port = peer_that(Behaviour::Closes).await;
    for target in ["http", "tcp"] {
        let report = call_with(&format!("{target}://127.0.0.1:{port}")).await;
        assert_eq!(failure(&report), (Stage::Receive, FailureKind::Eof));
        assert_eq!(report.stream.unwrap().ended, Some(Ended::Fin));
    }
}

#[tokio::test]
async fn a_close_within_the_body_is_an_eof_and_keeps_what_was_read() {
    let port = peer_that(Behaviour::Answers(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")).await;
    let report = call_with(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::Eof));
    let http = report.http.unwrap();
    assert_eq!((http.status, http.body, http.body_bytes), (200, Body::Text("12345".into()), 5));
}

#[tokio::test]
async fn silence_ends_with_a_timeout() {
    let port = peer_that(Behaviour::Hangs).await;
    for target in ["http", "tcp"] {
        let report = call_with(&format!("{target}://127.0.0.1:{port} --timeout 1")).await;
        assert_eq!(failure(&report), (Stage::Receive, FailureKind::Timeout));
        assert!(report.timings.total_us >= 1_000_000);
    }
}

#[tokio::test]
async fn a_server_that_reads_nothing_times_out_while_sending() {
    // Accepted by the kernel but never read, so the buffers fill up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let report = call_with(&format!("tcp://127.0.0.1:{port} --bytes 20000000 --timeout 1")).await;
    assert_eq!(failure(&report), (Stage::Send, FailureKind::Timeout));
}

#[tokio::test]
async fn a_response_that_is_not_http_is_quoted() {
    let port = peer_that(Behaviour::Answers(b"\x15\x03\x01\x00\x02\x02\x32")).await;
    let (stage, kind) = failure(&call_with(&format!("http://127.0.0.1:{port}")).await);
    assert_eq!(stage, Stage::Http);
    assert_eq!(kind, FailureKind::HttpParse { first_bytes: "\\x15\\x03\\x01\\x00\\x02\\x022".into() });
}

#[tokio::test]
async fn an_http1_server_that_receives_http2_is_recognized() {
    let port = peer_that(Behaviour::Answers(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let (stage, kind) = failure(&call_with(&format!("http://127.0.0.1:{port} --http2")).await);
    assert_eq!(stage, Stage::Http);
    assert_eq!(kind, FailureKind::HttpParse { first_bytes: "HTTP/1.1 400 Bad Request\\r\\n\\r\\n".into() });
}

#[tokio::test]
async fn a_goaway_is_a_protocol_error() {
    // SETTINGS, then GOAWAY of stream 0 with INADEQUATE_SECURITY (12).
    let goaway = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0c";
    let port = peer_that(Behaviour::Answers(goaway)).await;
    let report = call_with(&format!("http://127.0.0.1:{port} --http2")).await;
    let (stage, kind) = failure(&report);
    assert_eq!(stage, Stage::Http);
    assert!(matches!(&kind, FailureKind::HttpProtocol { reason } if reason.contains("security")), "{kind:?}");
}

#[tokio::test]
async fn bytes_other_than_those_sent_are_not_an_echo() {
    let port = peer_that(Behaviour::Answers(b"something else")).await;
    let (stage, kind) = failure(&call_with(&format!("tcp://127.0.0.1:{port} --marker m")).await);
    assert_eq!((stage, kind), (Stage::Receive, FailureKind::EchoMismatch));
    // With --expect only the length matters.
    succeeded(&call_with(&format!("tcp://127.0.0.1:{port} --expect 9")).await);
}

#[tokio::test]
async fn an_error_status_fails_only_when_asked_to() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}/status/503", server.port(Protocol::Http));
    assert_eq!(succeeded(&call_with(&url).await).status(), Some(503));
    let report = call_with(&format!("{url} --fail")).await;
    assert_eq!(failure(&report), (Stage::Http, FailureKind::HttpStatus { status: 503 }));
    assert_eq!(report.status(), Some(503));
}
