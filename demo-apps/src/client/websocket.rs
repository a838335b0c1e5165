//! One websocket: the upgrade, echoed frames, the closing handshake.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::head::{Head, headers};
use super::http::{broken, facts_of, read_body};
use super::{CLOSE_TIMEOUT, CallArgs, Clock, Connection, HttpSession, failure_of};
use crate::UsageError;
use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::{Body, HttpFacts, WebsocketFacts};
use crate::tap::Account;
use crate::websocket::{close_of, failure_of_socket};

/// The handshake's key, and the frames to send.
pub(super) struct Exchange {
    request: Request<Full<Bytes>>,
    accept: String,
    frames: Vec<String>,
}

impl Exchange {
    pub(super) fn new(args: &CallArgs) -> Result<Self, UsageError> {
        args.reject_unsuited_to_messages("ws:// and wss://")?;
        if args.connect.http2 {
            return Err(UsageError("--http2: websockets are only supported over HTTP/1.1".into()));
        }
        let key = generate_key();
        let mut headers = headers(args)?;
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(&key).map_err(|error| UsageError(error.to_string()))?);
        let frames = (1..=args.messages.unwrap_or(1)).map(|number| args.numbered_message(number)).collect();
        let head = Head::new(&args.target, &args.target.path, Method::GET, headers)?;
        Ok(Self { request: head.http1(Full::default())?, accept: derive_accept_key(key.as_bytes()), frames })
    }

    /// Upgrades, sends and receives. `http` and `ws` receive what was read, even if the call fails.
    pub(super) async fn run(
        &self,
        connection: Connection,
        clock: &Clock,
        http: &mut Option<HttpFacts>,
        ws: &mut Option<WebsocketFacts>,
    ) -> Result<(), Failure> {
        if connection.http2 {
            return Err(broken("the server chose HTTP/2, over which websockets are not supported".into()));
        }
        let account = connection.account.clone();
        let mut session = clock.run(Stage::Send, None, HttpSession::open(connection)).await?;
        let response = clock.run(Stage::Receive, None, session.send(self.request.clone())).await?;
        let (head, mut body) = response.into_parts();
        let http = http.insert(facts_of(&head));
        let facts = ws.insert(WebsocketFacts {
            upgraded: false,
            status: head.status.as_u16(),
            frames_sent: 0,
            frames_received: 0,
            close: None,
        });
        if head.status != StatusCode::SWITCHING_PROTOCOLS {
            let mut kept = Vec::new();
            let read = clock.run(Stage::Receive, None, read_body(&mut body, http, &mut kept, &account, false)).await;
            clock.stop();
            http.body = Body::from_bytes(&kept);
            session.close().await;
            read?;
            let kind = FailureKind::UpgradeRefused { status: facts.status };
            return Err(Cause::new(kind, format!("the upgrade was answered with {}", head.status)).at(Stage::Http));
        }
        self.check(&head.headers)?;
        let upgraded = hyper::upgrade::on(http::Response::from_parts(head, body));
        let upgraded = upgraded.await.map_err(|error| failure_of(&error, &account, false))?;
        facts.upgraded = true;
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let result = clock.run(Stage::Receive, None, self.echo(&mut socket, &account, facts)).await;
        clock.stop();
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, close(&mut socket, facts)).await;
        result
    }

    /// Checks the server's handshake (RFC 6455, section 4.1).
    fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let is = |name, expected: &str| {
            headers
                .get(name)
                .is_some_and(|value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(expected.as_bytes()))
        };
        if !is(UPGRADE, "websocket") {
            return Err(broken("the server switched to something that is not websocket".into()));
        }
        if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| *accept != *self.accept) {
            return Err(broken("the server's Sec-WebSocket-Accept does not answer the key".into()));
        }
        Ok(())
    }

    /// Sends each frame once the previous one has been echoed.
    async fn echo(&self, socket: &mut Socket, account: &Account, facts: &mut WebsocketFacts) -> Result<(), Failure> {
        for frame in &self.frames {
            let message = Message::text(frame.as_str());
            socket.send(message.clone()).await.map_err(|error| failure_of_socket(&error, account))?;
            facts.frames_sent += 1;
            if receive(socket, account, facts).await? != message {
                let text = format!("frame {} differs from what was sent", facts.frames_received);
                return Err(Cause::new(FailureKind::EchoMismatch, text).at(Stage::Receive));
            }
        }
        Ok(())
    }
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The next data frame. The library answers pings.
async fn receive(socket: &mut Socket, account: &Account, facts: &mut WebsocketFacts) -> Result<Message, Failure> {
    loop {
        match socket.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                facts.frames_received += 1;
                return Ok(message);
            }
            Some(Ok(Message::Close(close))) => {
                facts.close = Some(close_of(close));
                return Err(
                    Cause::eof("the server closed the websocket before all frames were echoed").at(Stage::Receive)
                );
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(failure_of_socket(&error, account)),
            None => return Err(failure_of_socket(&Error::ConnectionClosed, account)),
        }
    }
}

/// Sends a close frame, and waits for the server to answer it and to close the connection.
async fn close(socket: &mut Socket, facts: &mut WebsocketFacts) {
    // Fails if the peer has closed already.
    let _ = socket.close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })).await;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(close) = message {
            facts.close = Some(close_of(close));
        }
    }
}
