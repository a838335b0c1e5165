//! What is known of one TCP connection at one interface.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Exchange;
use crate::layers::{Layer, Layers};
use crate::packet::Interface;
use crate::stream::End;

/// One TCP connection, as seen at one interface.
///
/// A connection that crosses two captured interfaces (the `eth0` of two pods) is two flows.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Flow {
    /// Where it was seen.
    pub interface: Interface,
    /// The side that opened the connection, by its own address; where nothing says which that was, the one whose packet was
    /// captured first.
    pub initiator: SocketAddr,
    /// What says that it is the initiator.
    pub initiator_by: InitiatorBy,
    /// The address that the initiator's packets go to at this interface: after a REDIRECT, the proxy's.
    pub responder: SocketAddr,
    /// Set when the two directions did not look like one connection: the kernel had redirected it.
    pub redirect: Option<Redirect>,
    /// When the first packet was captured, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// When the last packet was captured, in nanoseconds since the Unix epoch.
    pub last_ns: u64,
    /// How the connection began.
    pub opening: Opening,
    /// What the initiator sent.
    pub sent: Direction,
    /// What the responder sent.
    pub received: Direction,
    /// What the bytes are, outermost layer first. In JSON `layers` has their names, and `content` what is known of each.
    #[serde(flatten)]
    pub content: Layers,
}

impl Flow {
    /// The address that the initiator dialled: the original destination of a redirected connection, else the responder.
    pub fn dialled(&self) -> SocketAddr {
        self.redirect.map_or(self.responder, |redirect| redirect.original_destination)
    }

    /// The names of the layers, outermost first: `["mtls", "tls", "http/1.1"]`.
    pub fn layers(&self) -> Vec<&'static str> {
        self.content.names()
    }

    /// Whether the opened content holds `marker`: see [`Layer::contains`].
    pub fn contains(&self, marker: &str) -> bool {
        self.content.iter().any(|layer| layer.contains(marker))
    }

    /// The first request and response in which `marker` stands: see [`Exchange::contains`].
    pub fn find(&self, marker: &str) -> Option<&Exchange> {
        self.content.exchanges().iter().find(|exchange| exchange.contains(marker))
    }

    /// The innermost layer that could be opened.
    pub fn innermost(&self) -> Option<&Layer> {
        self.content.last()
    }
}

/// What says which side opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InitiatorBy {
    /// Its SYN, or the answer to it.
    Syn,
    /// The redirect: it leaves the initiator's address alone, and shows two of the other side.
    Redirect,
    /// What it sent first: a TLS ClientHello, or a request of HTTP.
    Content,
    /// Nothing: the capture began later than the connection, and what it holds may have come from either side.
    Unknown,
}

/// The two destinations of a redirected connection.
///
/// iptables' REDIRECT rewrites the destination of what the initiator sends before the packet reaches `lo`, and gives the
/// answers their old source address back before they do: the capture shows `pod:p -> 127.0.0.1:15001` one way and
/// `vip:port -> pod:p` the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Redirect {
    /// What the initiator dialled, and believes to talk to.
    pub original_destination: SocketAddr,
    /// Where the kernel sent it instead.
    pub redirected_to: SocketAddr,
}

/// How a TCP connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// The SYN was answered with SYN and ACK.
    Established,
    /// The SYN was answered with RST: nothing listens there, or a rule rejects it.
    Refused,
    /// The SYN was not answered while the capture ran.
    Unanswered,
    /// The capture holds no SYN: it began later than the connection, or lost it.
    NotSeen,
}

/// What one side of a TCP connection sent.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Direction {
    /// How it ended.
    pub end: End,
    /// Packets captured, retransmissions and bare acknowledgements included.
    pub packets: u64,
    /// Bytes of TCP payload, each counted once.
    pub bytes: u64,
    /// Bytes of TCP payload that were captured more than once.
    pub retransmitted_bytes: u64,
    /// Retransmitted bytes that differ from the first copy, which is the one that is read.
    pub conflicting_bytes: u64,
    /// Stretches that the sender sent (or the other side acknowledged) and the capture does not hold. What follows the
    /// first of them is counted but not read.
    pub gaps: Vec<Gap>,
}

/// Bytes that are missing from a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Gap {
    /// Bytes of payload that the sender had sent before.
    pub offset: u64,
    /// How many are missing.
    pub bytes: u64,
}
