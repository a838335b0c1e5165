//! Protocol upgrades (websocket): after `101` the proxy only passes bytes.

use bytes::BytesMut;
use http::{Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};

use super::{body::ResponseBody, exchange::Exchange, upstream::reset_after_response};
use crate::outcome::{Outcome, UpstreamReset};

/// What is read at once, in bytes.
const BUFFER: usize = 16 * 1024;

/// A request that asks to change the protocol.
#[derive(Debug)]
pub(super) struct Upgrade {
    /// The protocol it asks for, in lower case.
    pub(super) protocol: String,
    /// The downstream connection, once hyper lets go of it.
    pub(super) downstream: OnUpgrade,
}

/// Passes the upstream's `101` on, and then bytes both ways until both sides are done.
pub(super) fn pass_on(
    exchange: Box<Exchange>,
    response: Response<Incoming>,
    upgrade: Upgrade,
) -> Response<ResponseBody> {
    let stats = &exchange.hcm().stats;
    stats.upgrades.inc();
    let mut response = response;
    let upstream = hyper::upgrade::on(&mut response);
    let (parts, _) = response.into_parts();
    let (head, exchange) = exchange.respond_without_body(StatusCode::SWITCHING_PROTOCOLS, parts.headers);
    tokio::spawn(tunnel(exchange, upgrade.downstream, upstream));
    head
}

/// Passes bytes until one side is done: neither Envoy nor what is upgraded to knows half-closed connections here.
async fn tunnel(mut exchange: Box<Exchange>, downstream: OnUpgrade, upstream: OnUpgrade) {
    // Without both there is nothing to pass on: the exchange is dropped as one that the downstream left.
    let Ok((downstream, upstream)) = tokio::try_join!(downstream, upstream) else { return };
    let (mut from_downstream, mut to_downstream) = split(TokioIo::new(downstream));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let progress = exchange.progress.clone();
    let mut sent = 0;
    let upstream_done = tokio::select! {
        () = pass(&mut from_downstream, &mut to_upstream, |bytes| progress.add(bytes)) => false,
        () = pass(&mut from_upstream, &mut to_downstream, |bytes| sent += bytes) => true,
    };
    exchange.stream.bytes_sent = sent;
    if upstream_done {
        let reset = UpstreamReset::ConnectionTermination;
        exchange.settle(Outcome::UpstreamReset(reset), reset_after_response(reset));
    }
    drop(exchange);
    // Either side may be gone already.
    let _ = if upstream_done { to_downstream.shutdown().await } else { to_upstream.shutdown().await };
}

/// Passes bytes one way until there are no more, or nobody wants them.
async fn pass(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), mut count: impl FnMut(u64)) {
    let mut buffer = BytesMut::with_capacity(BUFFER);
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        count(buffer.len() as u64);
        if to.write_all_buf(&mut buffer).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
