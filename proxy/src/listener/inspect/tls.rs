//! The TLS inspector, which detects and parses a ClientHello.
//!
//! Decisions follow Envoy, whose inspector uses BoringSSL
//! (`source/extensions/filters/listener/tls_inspector/tls_inspector.cc`; `ssl/tls_record.cc`, `ssl/ssl_client_hello.cc`). A
//! TLS library would refuse more ClientHellos, and then their contents would be unknown.

mod hello;
mod records;

use tokio::net::TcpStream;

use crate::peek::{Unseen, peek};

#[cfg(test)]
mod tests;

/// The relevant contents of a ClientHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// SNI in lower case, with each byte as a character; empty if there is none.
    pub(crate) server_name: String,
    /// The offered ALPN protocols, in order.
    pub(crate) alpn: Vec<String>,
}

/// The start of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Hello(Hello),
    /// Not TLS.
    Plaintext,
    /// A close_notify, or a ClientHello with an invalid version. Like Envoy, the proxy closes the connection.
    Invalid(Hello),
}

/// Maximum size of a ClientHello and its records, in bytes (`TLS_MAX_CLIENT_HELLO`).
const MOST: usize = 16 * 1024;

/// Waits until the start of the connection is known.
pub(crate) async fn inspect(socket: &TcpStream) -> Result<Opening, Unseen> {
    peek(socket, MOST, look).await
}

/// The ClientHello at the start of a connection, from bytes that have been received completely.
pub(crate) fn client_hello(bytes: &[u8]) -> Option<Hello> {
    match look(bytes) {
        Some(Opening::Hello(hello)) => Some(hello),
        _ => None,
    }
}

/// `None` if more bytes are needed.
pub(crate) fn look(bytes: &[u8]) -> Option<Opening> {
    match records::handshake(bytes) {
        records::Found::Message(message) => Some(hello::read(&message)),
        records::Found::More => None,
        records::Found::Plaintext => Some(Opening::Plaintext),
        records::Found::Closed => Some(Opening::Invalid(Hello::default())),
    }
}
