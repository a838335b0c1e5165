//! Conversions shared by both ends of a websocket.

use std::error::Error as _;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use crate::failure::{Cause, Failure, FailureKind, Stage};
use crate::report::WebsocketClose;
use crate::tap::Account;

/// The contents of a close frame. RFC 6455 reserves a code for an empty one.
pub(crate) fn close_of(frame: Option<CloseFrame>) -> WebsocketClose {
    let frame = frame.unwrap_or(CloseFrame { code: CloseCode::Status, reason: "".into() });
    WebsocketClose { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
}

/// The first error of the connection is the cause; the library's error may just be an end of file.
pub(crate) fn failure_of_socket(error: &Error, account: &Account) -> Failure {
    let flow = account.read();
    if let Some((stage, cause)) = flow.failed {
        return cause.at(stage);
    }
    match error {
        Error::Io(error) => match error.source().and_then(|inner| inner.downcast_ref::<std::io::Error>()) {
            Some(inner) => Cause::from_io(inner),
            None => Cause::from_io(error),
        }
        .at(Stage::Receive),
        _ if flow.ended.is_some() => Cause::eof(&error.to_string()).at(Stage::Receive),
        other => Cause::new(FailureKind::HttpProtocol { reason: other.to_string() }, other.to_string()).at(Stage::Http),
    }
}
