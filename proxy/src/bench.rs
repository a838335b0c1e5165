//! Individual steps of a connection for crate `benches`, which the listener keeps private.
//!
//! These only call existing code. A feature would make the measured build differ from the one that is used.

use std::{io, sync::Arc};

use envoy_rules::upstream::{Hello, HelloFacts};
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;

use crate::{
    drain::Drain,
    listener,
    relay::{Relay, RelayStats},
    stats::{Counter, Stats},
    stream::{Downstream, Upstream},
    tls::{ClientContext, Offer, ServerContext},
};

/// The TLS inspector's result for a connection's first bytes: SNI and ALPN of a ClientHello, or `None` for anything
/// else.
pub fn client_hello(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    listener::client_hello(bytes).map(|hello| (hello.server_name, hello.alpn))
}

/// The rustls configuration of a listener's handshakes, once all secrets have been received.
pub fn server_config(context: &ServerContext) -> Option<Arc<ServerConfig>> {
    context.config()
}

/// The rustls configuration of upstream handshakes, once all secrets have been received.
pub fn client_config(context: &ClientContext) -> Option<Arc<ClientConfig>> {
    context.config()
}

/// Performs a downstream handshake like a listener.
///
/// # Errors
/// As [`ServerContext::accept`].
pub async fn accept(context: &ServerContext, socket: TcpStream) -> io::Result<Downstream> {
    let (stream, _) = context.accept(socket, None).await?;
    Ok(Downstream::Tls(Box::new(stream)))
}

/// Performs an upstream handshake like a cluster.
///
/// # Errors
/// As [`ClientContext::connect`].
pub async fn connect(context: &ClientContext, socket: TcpStream) -> io::Result<Upstream> {
    let hello = Hello::new(context.configured(), None, HelloFacts::default());
    let offer = Offer { server_name: hello.server_name, alpn: hello.alpn, bytes_follow: false };
    let (stream, _) = context.connect(socket, offer).await?;
    Ok(Upstream::Tls(Box::new(stream)))
}

/// Relays like the TCP proxy until both sides have closed. Returns the number of bytes from downstream and to it.
pub async fn relay(downstream: Downstream, upstream: Upstream) -> (u64, u64) {
    let stats = RelayStats::new(&Stats::default(), Counter::default(), Counter::default());
    let ended = Relay::new(downstream, upstream, &stats).run(None, &Drain::default()).await;
    (ended.received, ended.sent)
}
