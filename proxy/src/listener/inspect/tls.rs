//! The TLS inspector: whether the first bytes are a ClientHello, and what it asks for.
//!
//! What is a ClientHello, and what is to be waited for, is decided as in Envoy, whose inspector leaves both to BoringSSL
//! (`source/extensions/filters/listener/tls_inspector/tls_inspector.cc`; `ssl/tls_record.cc`, `ssl/ssl_client_hello.cc`): a
//! library that shakes hands refuses more, and then nobody would know what the client asked for.

mod hello;
mod records;

use tokio::net::TcpStream;

use crate::peek::{Unseen, peek};

#[cfg(test)]
mod tests;

/// What a ClientHello asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// SNI in lower case, each byte a character; empty if there is none.
    pub(crate) server_name: String,
    /// The protocols that it offers, in its order.
    pub(crate) alpn: Vec<String>,
}

/// What a connection begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A ClientHello.
    Hello(Hello),
    /// No TLS.
    Plaintext,
    /// What no connection goes on after: TLS' goodbye, or a ClientHello of a version that never was. Envoy closes it.
    Hopeless(Hello),
}

/// The most that a ClientHello and its records may take, in bytes (`TLS_MAX_CLIENT_HELLO`).
const MOST: usize = 16 * 1024;

/// Waits until it is clear what the connection begins with.
pub(crate) async fn inspect(socket: &TcpStream) -> Result<Opening, Unseen> {
    peek(socket, MOST, look).await
}

/// The ClientHello that a connection begins with, of bytes that have all come.
pub(crate) fn client_hello(bytes: &[u8]) -> Option<Hello> {
    match look(bytes) {
        Some(Opening::Hello(hello)) => Some(hello),
        _ => None,
    }
}

/// `None` as long as more bytes are needed.
fn look(bytes: &[u8]) -> Option<Opening> {
    match records::handshake(bytes) {
        records::Found::Message(message) => Some(hello::read(&message)),
        records::Found::More => None,
        records::Found::Plaintext => Some(Opening::Plaintext),
        records::Found::Goodbye => Some(Opening::Hopeless(Hello::default())),
    }
}
