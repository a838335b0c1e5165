//! gRPC from the server's point of view.

use std::io;

use ::http::Request;
use bytes::Bytes;
use http_body_util::channel::Channel;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pretty_assertions::assert_eq;

use super::*;
use crate::client::CallArgs;
use crate::grpc::frame;
use crate::report::{ClientReport, GrpcSeen, GrpcStatus, Seen};

fn seen_of(log: &[Event]) -> Vec<(u16, &Seen)> {
    let requests = log.iter().filter_map(|event| match event {
        Event::Request { status, seen } => Some((*status, &**seen)),
        _ => None,
    });
    requests.collect()
}

fn status(code: u32, name: &str, message: &str) -> GrpcStatus {
    GrpcStatus { code, name: name.into(), message: message.into() }
}

#[tokio::test]
async fn the_log_contains_each_call_with_its_status_and_message_counts() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("grpc://127.0.0.1:{}", server.port(Protocol::Http));
    call_with(&format!("{url} --messages 3 --marker p9")).await;
    call_with(&format!("{url}/sidelab.Echo/Fail --messages 2 --data 7")).await;
    call_with(&format!("{url}/a.B/C")).await;
    let log = server.stop().await;
    let json = serde_json::to_string(&log).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Event>>(&json).unwrap(), log);

    let seen = seen_of(&log);
    let calls: Vec<_> = seen.iter().map(|(status, seen)| (*status, seen.path.as_str(), seen.grpc.clone())).collect();
    let grpc = |status, messages_received, messages_sent| Some(GrpcSeen { status, messages_received, messages_sent });
    assert_eq!(
        calls,
        [
            (200, "/sidelab.Echo/Stream", grpc(status(0, "OK", ""), 3, 3)),
            (200, "/sidelab.Echo/Fail", grpc(status(7, "PERMISSION_DENIED", ""), 2, 0)),
            (200, "/a.B/C", grpc(status(12, "UNIMPLEMENTED", "no method /a.B/C"), 0, 0)),
        ]
    );
    assert_eq!((seen[0].1.header("x-sidelab-probe"), seen[0].1.version.as_str()), (Some("p9"), "HTTP/2.0"));
}

#[tokio::test]
async fn a_call_that_the_client_aborts_is_cancelled() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let (mut sender, body) = Channel::<Bytes, io::Error>::new(1);
    let request = Request::post(format!("http://127.0.0.1:{port}/sidelab.Echo/Stream"))
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let mut answer = client.send_request(request).await.unwrap().into_body();
    sender.send_data(frame(b"one")).await.unwrap();
    let echoed = http_body_util::BodyExt::frame(&mut answer).await.unwrap().unwrap();
    assert_eq!(echoed.into_data().unwrap(), frame(b"one"), "before the end of the request");
    // The library resets the stream of a request whose body fails.
    sender.abort(io::Error::other("given up"));
    let logged = server.logged(|event| matches!(event, Event::Request { .. })).await;
    let Event::Request { seen, .. } = logged else { unreachable!() };
    let seen = seen.grpc.unwrap();
    assert_eq!((seen.status.name.as_str(), seen.messages_received, seen.messages_sent), ("CANCELLED", 1, 1));
}

/// Calls `Unary` with a malformed body.
async fn with_body(port: u16, body: &str) -> ClientReport {
    let line = format!("http://127.0.0.1:{port}/sidelab.Echo/Unary --http2 -H content-type:application/grpc");
    let mut args: CallArgs = parse(&line).unwrap();
    args.data = Some(body.to_owned());
    crate::client::call(&args).await.unwrap()
}

#[tokio::test]
async fn a_malformed_body_ends_with_the_matching_grpc_status() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    for (body, code) in [
        ("\0\0\0\0\u{1}x", "0"),
        ("", "12"),
        ("\0\0\0\0\u{1}x\0\0\0\0\u{1}y", "12"),
        ("\u{1}\0\0\0\u{1}x", "12"),
        ("\0\0\0\0\u{5}x", "13"),
        ("\0\u{7f}\0\0\0", "8"),
    ] {
        let report = with_body(port, body).await;
        assert_eq!(report.http.unwrap().trailer("grpc-status"), Some(code), "{body:?}");
    }
    let report = call_with(&format!("grpc://127.0.0.1:{port} --bytes 5000000")).await;
    assert_eq!(report.grpc.unwrap().status.unwrap().name, "RESOURCE_EXHAUSTED");
}

#[tokio::test]
async fn a_request_that_is_not_grpc_is_answered_with_what_is_missing() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}/sidelab.Echo/Unary", server.port(Protocol::Http));
    assert_eq!(call_with(&url).await.status(), Some(415));
    assert_eq!(call_with(&format!("{url} --http2")).await.status(), Some(415));
    assert_eq!(call_with(&format!("{url} -H content-type:application/grpc --data x")).await.status(), Some(505));
}

#[tokio::test]
async fn an_http2_only_port_refuses_http1() {
    let server = Running::start("--http2 127.0.0.1:0");
    let port = server.port(Protocol::Http2);
    assert!(call_with(&format!("grpc://127.0.0.1:{port} --messages 2")).await.ok);
    assert!(call_with(&format!("http://127.0.0.1:{port} --http2")).await.ok);
    let report = call_with(&format!("http://127.0.0.1:{port}")).await;
    assert_eq!(report.error.unwrap().kind, FailureKind::Eof);
    let Event::Closed(closed) =
        server.logged(|event| matches!(event, Event::Closed(closed) if closed.error.is_some())).await
    else {
        unreachable!()
    };
    let error = closed.error.unwrap();
    assert!(error.message.contains("only HTTP/2"), "{error}");
}
