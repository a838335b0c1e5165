//! What both programs say of a websocket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A websocket, seen from the client's end. The answer to the upgrade is in [`HttpFacts`](super::HttpFacts).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketFacts {
    /// Whether the server switched protocols.
    pub upgraded: bool,
    /// The HTTP status of the server's answer: 101, or that of a refusal.
    pub status: u16,
    /// Frames of data sent.
    pub frames_sent: u64,
    /// Frames of data received.
    pub frames_received: u64,
    /// What the server said in closing; none where it did not.
    pub close: Option<WebsocketClose>,
}

/// A websocket, seen from the server's end.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketSeen {
    /// Frames of data received.
    pub frames_received: u64,
    /// Frames of data sent.
    pub frames_sent: u64,
    /// What the client said in closing; none where it did not.
    pub close: Option<WebsocketClose>,
}

/// The last words of an end of a websocket.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebsocketClose {
    /// The status code of RFC 6455, section 7.4: 1000 is normal, 1001 says that the end goes away, 1005 that no code was given.
    pub code: u16,
    /// The text that came with it.
    pub reason: String,
}
