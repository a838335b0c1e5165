//! What is sent on a connection, and what comes back.

pub(super) use envoy_rules::codec::HttpVersion as Version;

use super::tls::{Broken, Hello, Session};

/// One layer of what a party sends. A slice of them is a whole, the outermost first; the last one is no TLS.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// A TLS handshake, and the rest inside.
    Tls(Hello),
    /// A request in HTTP/1.1 or HTTP/2.
    Http(Version, Request),
    /// Bytes that are neither.
    Bytes,
    /// Nothing until the server has spoken, then bytes that are neither.
    Nothing,
}

/// A request, as far as it decides where it goes.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `host` or `:authority`.
    pub(super) authority: String,
    /// The path.
    pub(super) path: String,
}

/// What a party that sent something gets back, seen from its outermost layer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// RST to the SYN.
    Refused,
    /// There is no way to the address.
    Unreachable,
    /// Nothing, for as long as one waits.
    Silence,
    /// The connection is reset before any answer.
    Reset,
    /// The connection is closed before any answer.
    Closed,
    /// A TLS alert that ends everything, to what was no ClientHello.
    Alert,
    /// A handshake that one of the two broke off.
    Broken(Box<Session>, Broken),
    /// A handshake that was completed, and what came back inside.
    Tunnel(Box<Session>, Box<Reply>),
    /// An HTTP response, outside of TLS.
    Response(Version, u16),
    /// The same bytes.
    Echo,
}
