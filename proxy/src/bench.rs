//! The steps of a connection one by one, for the benches of crate `benches`: the listener that takes them one after the
//! other keeps them to itself.
//!
//! Calls of what is there and nothing more. Behind a feature, what is measured would be another build than what runs.

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

/// What the TLS inspector makes of a connection's first bytes: the SNI and ALPN of a ClientHello, `None` for anything
/// else.
pub fn client_hello(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    listener::client_hello(bytes).map(|hello| (hello.server_name, hello.alpn))
}

/// What a listener's handshakes are made with, once every secret is there.
pub fn server_config(context: &ServerContext) -> Option<Arc<ServerConfig>> {
    context.config()
}

/// What handshakes with endpoints are made with, once every secret is there.
pub fn client_config(context: &ClientContext) -> Option<Arc<ClientConfig>> {
    context.config()
}

/// Shakes hands as a listener does.
///
/// # Errors
/// As [`ServerContext::accept`].
pub async fn accept(context: &ServerContext, socket: TcpStream) -> io::Result<Downstream> {
    let (stream, _) = context.accept(socket, None).await?;
    Ok(Downstream::Tls(Box::new(stream)))
}

/// Shakes hands as a cluster does.
///
/// # Errors
/// As [`ClientContext::connect`].
pub async fn connect(context: &ClientContext, socket: TcpStream) -> io::Result<Upstream> {
    let hello = Hello::new(context.configured(), None, HelloFacts::default());
    let offer = Offer { server_name: hello.server_name, alpn: hello.alpn, bytes_follow: false };
    let (stream, _) = context.connect(socket, offer).await?;
    Ok(Upstream::Tls(Box::new(stream)))
}

/// Relays until both sides are done, as the TCP proxy does. Returns the bytes from downstream, and those to it.
pub async fn relay(downstream: Downstream, upstream: Upstream) -> (u64, u64) {
    let stats = RelayStats::new(&Stats::default(), Counter::default(), Counter::default());
    let ended = Relay::new(downstream, upstream, &stats).run(None, &Drain::default()).await;
    (ended.received, ended.sent)
}
