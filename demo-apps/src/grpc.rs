//! gRPC as it is on the wire, with messages that are plain bytes.
//!
//! A call is a POST over HTTP/2 to `/SERVICE/METHOD` with `content-type: application/grpc`. Each message, either way, is
//! a byte that says whether it is compressed, four bytes of length, and the message. The answer's trailers say how the
//! call ended. An echo has no need to know what is inside of messages: a client with any `.proto` gets back what it sent.

mod messages;
mod status;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

pub(crate) use messages::{Broken, Messages, frame};
pub(crate) use status::Code;

/// The `content-type` of requests and answers.
pub(crate) const APPLICATION_GRPC: &str = "application/grpc";

/// How many messages a call of `ServerStream` wants.
pub(crate) const MESSAGES_HEADER: &str = "x-sidelab-messages";

/// The code that a call of `Fail` wants.
pub(crate) const STATUS_HEADER: &str = "x-sidelab-grpc-status";

/// The text that goes with [`STATUS_HEADER`].
pub(crate) const MESSAGE_HEADER: &str = "x-sidelab-grpc-message";

/// The path of the service's methods.
pub(crate) const SERVICE: &str = "/sidelab.Echo/";

/// The methods of the service `sidelab.Echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// One message comes back.
    Unary,
    /// Many messages come back as one, joined, when the last has come.
    ClientStream,
    /// One message comes back as often as [`MESSAGES_HEADER`] says.
    ServerStream,
    /// Each message comes back as it comes.
    Stream,
    /// Ends with the status of [`STATUS_HEADER`], or of the message's last line: `CODE TEXT`.
    Fail,
    /// One message is answered with what the server saw, as JSON.
    Seen,
}

impl Method {
    /// The method at this path, where there is one.
    pub(crate) fn at(path: &str) -> Option<Self> {
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

/// Whether a message's headers say that it is of gRPC: `application/grpc`, `application/grpc+proto` and the like.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let rest = kind.strip_prefix(APPLICATION_GRPC);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}
