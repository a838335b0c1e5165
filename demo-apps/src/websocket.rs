//! What both ends of a websocket make of the library's words.

use std::error::Error as _;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::WebsocketClose;
use crate::tap::Account;

/// What a close frame says. RFC 6455 has a code for one that says nothing.
pub(crate) fn close_of(frame: Option<CloseFrame>) -> WebsocketClose {
    let frame = frame.unwrap_or(CloseFrame { code: CloseCode::Status, reason: "".into() });
    WebsocketClose { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
}

/// The connection's first error is the cause; what the library says of it may be no more than an end of file.
pub(crate) fn failure_of_socket(error: &Error, account: &Account) -> Failure {
    let flow = account.read();
    if let Some((stage, cause)) = flow.failed {
        return cause.at(stage);
    }
    match error {
        Error::Io(error) => match error.source().and_then(|inner| inner.downcast_ref::<std::io::Error>()) {
            Some(inner) => Cause::of_io(inner),
            None => Cause::of_io(error),
        }
        .at(Stage::Receive),
        _ if flow.ended.is_some() => Cause::eof(&error.to_string()).at(Stage::Receive),
        other => Cause::new(FailureKind::HttpProtocol { reason: other.to_string() }, other.to_string()).at(Stage::Http),
    }
}
