//! Websockets from the server's point of view, with another client implementation.

use futures_util::{SinkExt as _, StreamExt as _};
use pretty_assertions::assert_eq;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::report::{WebsocketClose, WebsocketSeen};

async fn websocket(port: u16) -> WebSocketStream<TcpStream> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    client_async(format!("ws://127.0.0.1:{port}/ws"), tcp).await.unwrap().0
}

#[tokio::test]
async fn frames_are_echoed_with_their_type_and_pings_are_answered() {
    let server = Running::start("--http 127.0.0.1:0");
    let mut socket = websocket(server.port(Protocol::Http)).await;
    for message in [Message::text("words"), Message::binary(&b"\0\xff"[..]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
}

#[tokio::test]
async fn the_log_contains_the_websocket_and_all_its_bytes() {
    let server = Running::start("--http 127.0.0.1:0");
    let port = server.port(Protocol::Http);
    let called = call_with(&format!("ws://127.0.0.1:{port}/ws --messages 2 --bytes 1000 --marker p9")).await;
    let log = server.stop().await;
    let request = log.iter().find_map(|event| match event {
        Event::Request { status: 101, seen } => Some(seen.clone()),
        _ => None,
    });
    let seen = request.unwrap();
    assert_eq!((seen.path.as_str(), seen.header("x-sidelab-probe")), ("/ws", Some("p9")));
    let close = Some(WebsocketClose { code: 1000, reason: String::new() });
    assert_eq!(seen.websocket, Some(WebsocketSeen { frames_received: 2, frames_sent: 2, close }));
    let closed = log.iter().find_map(|event| match event {
        Event::Closed(closed) => Some(closed.clone()),
        _ => None,
    });
    let (closed, stream) = (closed.unwrap(), called.stream.unwrap());
    assert_eq!((closed.received, closed.sent, closed.error), (stream.sent, stream.received, None));
}

#[tokio::test]
async fn a_server_that_stops_sends_a_close_frame() {
    let server = Running::start("--http 127.0.0.1:0 --grace 10");
    let mut socket = websocket(server.port(Protocol::Http)).await;
    socket.send(Message::text("x")).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let (log, last) = tokio::join!(server.stop(), async {
        let last = socket.next().await.unwrap().unwrap();
        assert!(socket.next().await.is_none());
        last
    });
    let Message::Close(Some(frame)) = last else { panic!("{last:?}") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(log.iter().any(|event| matches!(event, Event::Request { status: 101, .. })));
}

#[tokio::test]
async fn a_client_that_disconnects_without_a_close_frame_is_logged_as_a_failure() {
    let server = Running::start("--http 127.0.0.1:0");
    drop(websocket(server.port(Protocol::Http)).await);
    let Event::Closed(closed) = server.logged(|event| matches!(event, Event::Closed(_))).await else { unreachable!() };
    assert_eq!((closed.error.unwrap().kind, closed.ended), (FailureKind::Eof, Some(Ended::Fin)));
}

#[tokio::test]
async fn a_request_without_upgrade_is_answered_with_the_required_one() {
    let server = Running::start("--http 127.0.0.1:0");
    let url = format!("http://127.0.0.1:{}/ws", server.port(Protocol::Http));
    let refused = call_with(&url).await.http.unwrap();
    assert_eq!((refused.status, refused.header("upgrade")), (426, Some("websocket")));
    assert_eq!(refused.header("sec-websocket-version"), Some("13"));
    assert_eq!(call_with(&format!("{url} --http2")).await.status(), Some(400));
}
