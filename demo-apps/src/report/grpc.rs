//! What both programs say of a gRPC call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;

/// How a gRPC call ended.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcStatus {
    /// The number; 0 is success.
    pub code: u32,
    /// Its name, such as `UNAVAILABLE`; `UNKNOWN` for a number without one.
    pub name: String,
    /// The text that came with it.
    pub message: String,
}

/// A gRPC call, seen from the client's end. Headers and trailers are in [`HttpFacts`](super::HttpFacts).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcFacts {
    /// What was called: `/SERVICE/METHOD`.
    pub method: String,
    /// How it ended; none where the connection or the stream broke before. An answer that is not of gRPC has the
    /// status that gRPC's clients make of its HTTP status.
    pub status: Option<GrpcStatus>,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Whether an answer came before the last message was sent: only where both ways really stream.
    pub interleaved: bool,
    /// The messages received, as many of the first as fit into 64 KiB together.
    pub messages: Vec<Body>,
}

/// A gRPC call, seen from the server's end.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcSeen {
    /// How the server ended it; `CANCELLED` where the client went away.
    pub status: GrpcStatus,
    /// Messages received.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
}
