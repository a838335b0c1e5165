//! The TLS inspector: whether the first bytes are a ClientHello, and what it asks for.

use rustls::{Error, server::Acceptor};
use tokio::net::TcpStream;

use crate::peek::{Unseen, peek};

#[cfg(test)]
mod tests;

/// The bytes of a record's header. Like Envoy, the inspector wants to see them before it calls a connection plaintext:
/// a client that sends fewer and then waits, waits for ever.
const HEADER: usize = 5;

/// The content type of a record with a ClientHello (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What a ClientHello asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// SNI in lower case; empty if there is none.
    pub(crate) server_name: String,
    /// The protocols that it offers, in its order.
    pub(crate) alpn: Vec<String>,
}

/// Waits until it is clear whether the connection begins with a ClientHello.
pub(crate) async fn inspect(socket: &TcpStream) -> Result<Option<Hello>, Unseen> {
    let mut inspector = Inspector::default();
    peek(socket, |bytes| inspector.look(bytes)).await
}

/// The ClientHello that a connection begins with, of bytes that have all come.
pub(crate) fn client_hello(bytes: &[u8]) -> Option<Hello> {
    Inspector::default().look(bytes).flatten()
}

/// Reads a ClientHello as it comes in.
#[derive(Default)]
struct Inspector {
    acceptor: Acceptor,
    fed: usize,
}

impl Inspector {
    /// `None` as long as more bytes are needed; `Some(None)` when this is no TLS.
    fn look(&mut self, bytes: &[u8]) -> Option<Option<Hello>> {
        if bytes.len() < HEADER {
            return None;
        }
        // Spares plaintext a parser's words for what is wrong with it.
        if bytes[0] != HANDSHAKE {
            return Some(None);
        }
        while self.fed < bytes.len() {
            let mut rest = &bytes[self.fed..];
            match self.acceptor.read_tls(&mut rest) {
                Ok(count) if count > 0 => self.fed += count,
                _ => return Some(None),
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let alpn = hello.alpn().into_iter().flatten();
                    return Some(Some(Hello {
                        server_name: hello.server_name().unwrap_or_default().to_ascii_lowercase(),
                        alpn: alpn.map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect(),
                    }));
                }
                // A ClientHello that no handshake can come of (no signature schemes, say) is one all the same.
                Err((Error::PeerIncompatible(_) | Error::PeerMisbehaved(_), _)) => return Some(Some(Hello::default())),
                Err(_) => return Some(None),
            }
        }
        None
    }
}
