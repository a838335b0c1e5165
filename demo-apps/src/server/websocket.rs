//! Websockets: the handshake as an HTTP response, then the frames.

use std::sync::{Mutex, PoisonError};

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::body::{AnyBody, whole};
use super::context::Context;
use super::respond::refuse;
use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::{Seen, WebsocketSeen};
use crate::tap::Account;
use crate::websocket::{close_of, failure_of_socket};

/// The library's default of 128 KiB is meant for few connections with much traffic.
const READ_BUFFER: usize = 8 * 1024;

/// The websocket that a connection is being upgraded to.
#[derive(Default)]
pub(super) struct Pending(Mutex<Option<(OnUpgrade, Seen)>>);

impl Pending {
    /// Takes the websocket, if an upgrade was granted.
    pub(super) fn take(&self) -> Option<(OnUpgrade, Seen)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Answers a request for an upgrade. If it is granted, `pending` receives the websocket.
pub(super) async fn upgrade(mut request: Request<Incoming>, context: &Context, pending: &Pending) -> Response<AnyBody> {
    match create_response_with_body(&request, || whole("")) {
        Ok(response) => {
            let upgraded = hyper::upgrade::on(&mut request);
            let seen = context.seen(&request.into_parts().0, 0);
            *pending.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgraded, seen));
            response
        }
        // HTTP/2 has no upgrades.
        Err(error) if request.version() == Version::HTTP_2 => {
            refuse(request, context, StatusCode::BAD_REQUEST, &error.to_string()).await
        }
        Err(error) => {
            let mut response = refuse(request, context, StatusCode::UPGRADE_REQUIRED, &error.to_string()).await;
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
    }
}

/// Echoes every data frame until the client closes, or the server stops.
pub(super) async fn serve(
    (upgraded, mut seen): (OnUpgrade, Seen),
    account: &Account,
    context: &Context,
) -> Result<(), Failure> {
    let facts = seen.websocket.insert(WebsocketSeen { frames_received: 0, frames_sent: 0, close: None });
    let result = match upgraded.await {
        Ok(io) => echo(io, account, context, facts).await,
        Err(error) => {
            let kind = FailureKind::HttpProtocol { reason: error.to_string() };
            Err(Cause::new(kind, "the upgrade was granted but did not complete").at(Stage::Http))
        }
    };
    context.log(StatusCode::SWITCHING_PROTOCOLS, seen);
    result
}

async fn echo(io: Upgraded, account: &Account, context: &Context, facts: &mut WebsocketSeen) -> Result<(), Failure> {
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, Some(config)).await;
    let failed = |error: Error| failure_of_socket(&error, account);
    let stopped = context.stopped();
    tokio::pin!(stopped);
    let mut leaving = false;
    loop {
        let message = tokio::select! {
            () = &mut stopped, if !leaving => {
                leaving = true;
                let away = CloseFrame { code: CloseCode::Away, reason: "the server stops".into() };
                socket.close(Some(away)).await.map_err(failed)?;
                continue;
            }
            message = socket.next() => message,
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                facts.frames_received += 1;
                // After our close frame, data is no longer echoed.
                if !leaving {
                    socket.send(message).await.map_err(failed)?;
                    facts.frames_sent += 1;
                }
            }
            // The library answers close frames and pings.
            Some(Ok(Message::Close(close))) => facts.close = Some(close_of(close)),
            Some(Ok(_)) => {}
            None | Some(Err(Error::ConnectionClosed)) => return Ok(()),
            Some(Err(error)) => return Err(failed(error)),
        }
    }
}
