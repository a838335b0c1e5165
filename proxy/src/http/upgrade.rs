//! Protocol upgrades (websocket): after `101` the proxy only passes bytes.

use http::{Response, StatusCode};
use hyper::{
    body::Incoming,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::{body::ResponseBody, exchange::Exchange};
use crate::outcome::Outcome;

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

async fn tunnel(mut exchange: Box<Exchange>, downstream: OnUpgrade, upstream: OnUpgrade) {
    // Without both there is nothing to pass on: the exchange is dropped as one that the downstream left.
    let Ok((downstream, upstream)) = tokio::try_join!(downstream, upstream) else { return };
    let io = |upgraded: Upgraded| TokioIo::new(upgraded);
    let (mut downstream, mut upstream) = (io(downstream), io(upstream));
    if let Ok((received, sent)) = copy_bidirectional(&mut downstream, &mut upstream).await {
        exchange.progress.add(received);
        exchange.stream.bytes_sent = sent;
    }
    exchange.settle(Outcome::Done, "via_upstream");
}
