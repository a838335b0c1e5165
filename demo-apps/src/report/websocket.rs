//! The websocket parts of reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A websocket, from the client's point of view. The response to the upgrade is in [`HttpFacts`](super::HttpFacts).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketFacts {
    /// Whether the server switched protocols.
    pub upgraded: bool,
    /// HTTP status of the response: 101, or that of a refusal.
    pub status: u16,
    /// Number of data frames sent.
    pub frames_sent: u64,
    /// Number of data frames received.
    pub frames_received: u64,
    /// The server's close frame; `None` if it sent none.
    pub close: Option<WebsocketClose>,
}

/// A websocket, from the server's point of view.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketSeen {
    /// Number of data frames received.
    pub frames_received: u64,
    /// Number of data frames sent.
    pub frames_sent: u64,
    /// The client's close frame; `None` if it sent none.
    pub close: Option<WebsocketClose>,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketClose {
    /// Status code of RFC 6455, section 7.4: 1000 is normal, 1001 means going away, 1005 that the frame had no code.
    pub code: u16,
    pub reason: String,
}
