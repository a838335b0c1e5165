//! The gRPC parts of reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Body;

/// The status of a gRPC call.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcStatus {
    /// Status code; 0 is success.
    pub code: u32,
    /// Name of the code, such as `UNAVAILABLE`; `UNKNOWN` for undefined codes.
    pub name: String,
    /// Message from the server.
    pub message: String,
}

/// A gRPC call, from the client's point of view. Headers and trailers are in [`HttpFacts`](super::HttpFacts).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcFacts {
    /// Path of the method: `/SERVICE/METHOD`.
    pub method: String,
    /// How it ended; `None` if the connection or the stream broke before. A response that is not gRPC has the status that
    /// gRPC's clients derive from its HTTP status.
    pub status: Option<GrpcStatus>,
    /// Number of messages sent.
    pub messages_sent: u64,
    /// Number of messages received.
    pub messages_received: u64,
    /// Whether a message was received before the last one was sent, which shows that both directions really stream.
    pub interleaved: bool,
    /// The first messages received, as many as fit into 64 KiB together.
    pub messages: Vec<Body>,
}

/// A gRPC call, from the server's point of view.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct GrpcSeen {
    /// How the server ended it; `CANCELLED` if the client went away.
    pub status: GrpcStatus,
    /// Number of messages received.
    pub messages_received: u64,
    /// Number of messages sent.
    pub messages_sent: u64,
}
