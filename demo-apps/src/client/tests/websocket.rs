//! Websockets and their failures.

use ::http::Response;
use bytes::Bytes;
use http_body_util::Full;
use pretty_assertions::assert_eq;

use super::*;
use crate::report::{WebsocketClose, WebsocketFacts};
use crate::testing::peer_that_answers;

#[tokio::test]
async fn frames_are_echoed_and_both_ends_close() {
    let server = Running::start("--http 127.0.0.1:0 --https 127.0.0.1:0 --self-signed localhost");
    let (http, https) = (server.port(Protocol::Http), server.port(Protocol::Https));
    for url in [format!("ws://127.0.0.1:{http}/ws"), format!("wss://127.0.0.1:{https}/ws -k")] {
        let report = call_with(&format!("{url} --messages 3 --marker p7")).await;
        let facts = WebsocketFacts {
            upgraded: true,
            status: 101,
            frames_sent: 3,
            frames_received: 3,
            close: Some(WebsocketClose { code: 1000, reason: String::new() }),
        };
        assert_eq!(succeeded(&report).ws, Some(facts));
        let answer = report.http.unwrap();
        assert_eq!((answer.version.as_str(), answer.status), ("HTTP/1.1", 101));
        assert_eq!((answer.header("upgrade"), answer.header("x-sidelab-probe")), (Some("websocket"), Some("p7")));
    }
}

#[tokio::test]
async fn a_frame_larger_than_any_buffer_is_echoed() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("ws://127.0.0.1:{}/ws --bytes 3000000", server.port(Protocol::Http));
    assert!(succeeded(&call_with(&url).await).stream.as_ref().unwrap().received > 3_000_000);
}

#[tokio::test]
async fn a_refused_upgrade_has_status_and_body() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("ws://127.0.0.1:{}", server.port(Protocol::Http));
    for (path, refusal) in [("/status/403", 403), ("/", 200)] {
        let report = call_with(&format!("{url}{path}")).await;
        assert_eq!(failure(&report), (Stage::Http, FailureKind::UpgradeRefused { status: refusal }));
        let ws = report.ws.as_ref().unwrap();
        assert_eq!((ws.upgraded, ws.status, ws.frames_sent), (false, refusal, 0));
        assert_eq!(report.http.unwrap().seen().unwrap().path, path);
    }
}

#[tokio::test]
async fn a_switch_to_something_else_is_a_protocol_error() {
    for (upgrade, expected) in [("h2c", "not websocket"), ("websocket", "Sec-WebSocket-Accept")] {
        let port = peer_that_answers(move || switching(upgrade)).await;
        let (stage, kind) = failure(&call_with(&format!("ws://127.0.0.1:{port}/ws")).await);
        assert_eq!(stage, Stage::Http);
        assert!(matches!(&kind, FailureKind::HttpProtocol { reason } if reason.contains(expected)), "{kind:?}");
    }
}

fn switching(to: &str) -> Response<Full<Bytes>> {
    Response::builder().status(101).header("connection", "upgrade").header("upgrade", to).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_broken_connection_keeps_its_kind_of_failure() {
    let resetting = peer_that(Behaviour::Resets).await;
    let report = call_with(&format!("ws://127.0.0.1:{resetting}/ws")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::ConnectionReset));
    assert_eq!(report.ws, None);
    let closing = peer_that(Behaviour::Closes).await;
    let report = call_with(&format!("ws://127.0.0.1:{closing}/ws")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::Eof));
    let silent = peer_that(Behaviour::Hangs).await;
    let report = call_with(&format!("ws://127.0.0.1:{silent}/ws --timeout 1")).await;
    assert_eq!(failure(&report), (Stage::Receive, FailureKind::Timeout));
    let bad = peer_that_answers(|| Response::builder().status(502).body(Full::from("upstream")).unwrap()).await;
    let report = call_with(&format!("ws://127.0.0.1:{bad}/ws")).await;
    assert_eq!(failure(&report), (Stage::Http, FailureKind::UpgradeRefused { status: 502 }));
    assert_eq!(report.http.unwrap().body, Body::Text("upstream".into()));
}
