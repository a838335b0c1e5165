//! One TCP connection, as captured on one interface.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

use crate::http::Exchange;
use crate::layers::{Layer, Layers};
use crate::packet::Interface;
use crate::stream::End;

/// One TCP connection, as captured on one interface.
///
/// A connection that crosses two captured interfaces (the `eth0` of two pods) appears as two flows.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Flow {
    /// The interface that it was captured on.
    pub interface: Interface,
    /// Address of the side that opened the connection. If `initiator_by` is `unknown`, the sender of the first captured
    /// packet.
    pub initiator: SocketAddr,
    /// How the initiator was determined.
    pub initiator_by: InitiatorBy,
    /// Destination of the initiator's packets on this interface; after a REDIRECT, the proxy's address.
    pub responder: SocketAddr,
    /// Set if the two directions have different addresses for the responder, because the kernel redirected the connection.
    pub redirect: Option<Redirect>,
    /// Time of the first packet, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// Time of the last packet, in nanoseconds since the Unix epoch.
    pub last_ns: u64,
    /// The initiator's initial sequence number, if its SYN was captured. Neither routers nor NAT change it, so a connection has the same
    /// on every interface that it crosses.
    #[serde(skip)]
    pub initial_sequence: Option<u32>,
    /// Outcome of the TCP handshake.
    pub opening: Opening,
    /// What the initiator sent.
    pub sent: Direction,
    /// What the responder sent.
    pub received: Direction,
    /// The layers of the payload, outermost first. In JSON, `layers` has their names, and `content` their details.
    #[serde(flatten)]
    pub content: Layers,
}

impl Flow {
    /// The address that the initiator dialled: a redirected connection's original destination, otherwise the responder.
    pub fn dialled(&self) -> SocketAddr {
        self.redirect.map_or(self.responder, |redirect| redirect.original_destination)
    }

    /// Names of the layers, outermost first: `["mtls", "tls", "http/1.1"]`.
    pub fn layers(&self) -> Vec<&'static str> {
        self.content.names()
    }

    /// Whether the decrypted payload contains `marker`: see [`Layer::contains`].
    pub fn contains(&self, marker: &str) -> bool {
        self.content.iter().any(|layer| layer.contains(marker))
    }

    /// The first exchange that contains `marker`: see [`Exchange::contains`].
    pub fn find(&self, marker: &str) -> Option<&Exchange> {
        self.content.exchanges().iter().find(|exchange| exchange.contains(marker))
    }

    /// The innermost layer that could be opened.
    pub fn innermost(&self) -> Option<&Layer> {
        self.content.last()
    }
}

/// How the initiator of a connection was determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InitiatorBy {
    /// By its SYN, or the SYN-ACK.
    Syn,
    /// By the redirect: only the responder appears with two addresses.
    Redirect,
    /// By what it sent first: a TLS ClientHello, or an HTTP request.
    Content,
    /// Not at all: the capture started after the connection did, and either side could have sent its payload.
    Unknown,
}

/// The two responder addresses of a redirected connection.
///
/// iptables' REDIRECT rewrites the destination of the initiator's packets before they reach `lo`, and restores the source
/// of the answers before they do: the capture shows `pod:p -> 127.0.0.1:15001` in one direction and
/// `vip:port -> pod:p` in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Redirect {
    /// The address that the initiator dialled.
    pub original_destination: SocketAddr,
    /// The address that the kernel replaced it by.
    pub redirected_to: SocketAddr,
}

/// Outcome of a TCP handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// The SYN was answered with a SYN-ACK.
    Established,
    /// The SYN was answered with RST: nothing listens there, or a rule rejects the connection.
    Refused,
    /// The SYN was not answered before the capture ended.
    Unanswered,
    /// The capture has no SYN: it started after the connection did, or lost the SYN.
    NotSeen,
}

/// What one side of a TCP connection sent.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Direction {
    /// How this direction ended.
    pub end: End,
    /// Number of packets, including retransmissions and bare acknowledgements.
    pub packets: u64,
    /// TCP payload in bytes, without retransmissions.
    pub bytes: u64,
    /// Retransmitted TCP payload in bytes.
    pub retransmitted_bytes: u64,
    /// Retransmitted bytes that differ from the first copy. The first copy is used.
    pub conflicting_bytes: u64,
    /// Ranges that are missing from the capture, although later bytes or acknowledgements show that they were sent. Bytes
    /// after the first gap are counted but not parsed.
    pub gaps: Vec<Gap>,
}

/// A range of payload that is missing from a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Gap {
    /// Offset in the payload, in bytes.
    pub offset: u64,
    /// Length, in bytes.
    pub bytes: u64,
}
