//! gRPC's wire format, with messages as opaque bytes.
//!
//! A call is a POST over HTTP/2 to `/SERVICE/METHOD` with `content-type: application/grpc`. Each message in either direction is
//! preceded by a compression flag and four bytes of length. The trailers of the response contain the status. An echo server
//! does not need to decode messages: a client with any `.proto` gets back what it sent.

mod messages;
mod status;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub(crate) use messages::{Broken, Messages, frame};
pub(crate) use status::Code;

use crate::otlp::EXPORT;

/// The `content-type` of requests and responses.
pub(crate) const APPLICATION_GRPC: &str = "application/grpc";

/// Number of messages that a call of `ServerStream` requests.
pub(crate) const MESSAGES_HEADER: &str = "x-sidelab-messages";

/// Status code that a call of `Fail` requests.
pub(crate) const STATUS_HEADER: &str = "x-sidelab-grpc-status";

/// Message of the requested status.
pub(crate) const MESSAGE_HEADER: &str = "x-sidelab-grpc-message";

/// Path prefix of the service's methods.
pub(crate) const SERVICE: &str = "/sidelab.Echo/";

/// The methods of the service `sidelab.Echo`, and that of an OpenTelemetry collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Echoes one message.
    Unary,
    /// Echoes all messages as one, after the last was received.
    ClientStream,
    /// Echoes one message as often as [`MESSAGES_HEADER`] says.
    ServerStream,
    /// Echoes each message at once.
    Stream,
    /// Ends with the status in [`STATUS_HEADER`], or in the message's last line: `CODE TEXT`.
    Fail,
    /// Answers one message with what the server saw, as JSON.
    Seen,
    /// Logs the spans of one message (OTLP).
    Export,
}

impl Method {
    /// The method at this path, if any.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        if path == EXPORT {
            return Some(Self::Export);
        }
        Some(match path.strip_prefix(SERVICE)? {
            "Unary" => Self::Unary,
            "ClientStream" => Self::ClientStream,
            "ServerStream" => Self::ServerStream,
            "Stream" => Self::Stream,
            "Fail" => Self::Fail,
            "Seen" => Self::Seen,
            _ => return None,
        })
    }
}

/// Whether the content type is gRPC: `application/grpc`, `application/grpc+proto` and the like.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let rest = kind.strip_prefix(APPLICATION_GRPC);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}
