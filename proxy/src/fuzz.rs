//! Pure steps of reading a connection for crate `fuzz`, which the data plane keeps private.
//!
//! These only call existing code.

use std::{io, sync::Arc};

use rustls::{ServerConfig, server::UnbufferedServerConnection};
use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::http::transcript::{Event, requests, responses};
use crate::{listener, tls::TlsStream};

/// The TLS inspector's result for the bytes so far: `None` if it needs more of them.
pub fn tls_inspector(bytes: &[u8]) -> Option<String> {
    listener::opening(bytes).map(|opening| format!("{opening:?}"))
}

/// The HTTP inspector's result for the bytes so far: `None` if it needs more of them, `Some(None)` if they are not HTTP.
pub fn http_inspector(bytes: &[u8]) -> Option<Option<&'static str>> {
    listener::http_version(bytes)
}

/// Performs a server handshake over anything.
///
/// # Errors
/// If the handshake fails.
pub async fn accept_tls<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
    config: Arc<ServerConfig>,
) -> io::Result<TlsStream<S>> {
    TlsStream::accept(socket, UnbufferedServerConnection::new(config).map_err(io::Error::other)?).await
}
