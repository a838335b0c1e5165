//! HTTP/2 connections: one for each key, shared by all its requests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use envoy_api::{Cluster, ExplicitHttpConfig, KeepaliveSettings};
use envoy_rules::upstream::http_options;
use http::Response;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{Acquired, Key, Lifetime, Wanted, lock};
use crate::{
    access_log::RequestHead,
    cluster::{ConnectFailure, Connected},
    http::{
        body::{Incoming, RequestBody},
        cluster_stats::ClusterStats,
        upstream::{self, Failure},
        wire::Wire,
    },
    stream_info::UpstreamInfo,
};

/// Window of a stream, in bytes. Envoy's default.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
/// Window of a connection, in bytes. Envoy's default.
const CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

pub(super) type Sender = SendRequest<RequestBody>;

/// The connections, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Key, Arc<Slot>>>>);

/// A slot for a connection. Locked while connecting, so that concurrent requests wait for the same connection.
type Slot = tokio::sync::Mutex<Place>;

#[derive(Debug, Default)]
struct Place {
    shared: Option<Shared>,
    /// Time and reason of the last failure.
    failed: Option<(Instant, ConnectFailure)>,
}

/// A connection that requests share.
#[derive(Debug)]
struct Shared {
    sender: Sender,
    info: UpstreamInfo,
    lifetime: Lifetime,
    opened: Instant,
    /// How many requests it has been used for.
    served: u32,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.sender.is_closed() || self.lifetime.is_over(self.served, self.opened)
    }
}

impl Pool {
    pub(super) async fn acquire(
        &self,
        key: Key,
        wanted: Wanted<'_>,
        stats: &ClusterStats,
    ) -> Result<Acquired, ConnectFailure> {
        let asked = Instant::now();
        let slot = lock(&self.0).entry(key.clone()).or_default().clone();
        let is_ready =
            slot.try_lock().is_ok_and(|place| !wanted.fresh && place.shared.as_ref().is_some_and(|one| !one.is_over()));
        let _waiting = if is_ready { None } else { Some(wanted.wait(stats)?) };
        let mut place = slot.lock().await;
        if let Some(shared) = place.shared.as_mut().filter(|shared| !wanted.fresh && !shared.is_over()) {
            let in_use = wanted.begin(stats)?;
            shared.served += 1;
            let (sender, info) = (shared.sender.clone(), shared.info.clone());
            if shared.lifetime.requests.is_some_and(|most| shared.served >= most) {
                stats.max_requests.inc();
            }
            return Ok(Acquired { sender: super::Sender::Http2(sender), info, reused: true, in_use });
        }
        // All requests that waited for the attempt share its failure.
        if let Some((when, failure)) = &place.failed
            && *when > asked
        {
            return Err(failure.clone());
        }
        let Connected { stream, info, guard } = match wanted.cluster.connect(wanted.endpoint, wanted.context).await {
            Ok(connected) => connected,
            Err(failure) => {
                place.failed = Some((Instant::now(), failure.clone()));
                return Err(failure);
            }
        };
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        if let Some(KeepaliveSettings { interval: Some(interval), timeout }) = keepalive(wanted.cluster.config()) {
            builder.keep_alive_interval(interval.0).keep_alive_timeout(timeout.0).keep_alive_while_idle(true);
        }
        let handshake = builder.handshake(TokioIo::new(wire)).await;
        let (sender, connection) = handshake.map_err(|_| ConnectFailure::NoHealthyUpstream)?;
        stats.http2_connections.inc();
        let pool = self.clone();
        tokio::spawn(async move {
            let _counted = guard;
            let _ = connection.await; // requests in flight get the error, too
            pool.sweep(&key);
        });
        place.shared = Some(Shared {
            sender: sender.clone(),
            info: info.clone(),
            lifetime: Lifetime::of(wanted.cluster),
            opened: Instant::now(),
            served: 1,
        });
        let in_use = wanted.begin(stats)?;
        Ok(Acquired { sender: super::Sender::Http2(sender), info, reused: false, in_use })
    }

    /// Drops the connections for other keys. They end with their last request.
    pub(super) fn retain(&self, keep: impl Fn(&Key) -> bool) {
        lock(&self.0).retain(|key, _| keep(key));
    }

    /// Removes closed connections.
    fn sweep(&self, key: &Key) {
        let mut slots = lock(&self.0);
        let over = slots.get(key).is_some_and(|slot| {
            slot.try_lock().is_ok_and(|place| place.shared.as_ref().is_none_or(|shared| shared.sender.is_closed()))
        });
        if over {
            slots.remove(key);
        }
    }
}

/// The PINGs that a cluster asks for.
fn keepalive(cluster: &Cluster) -> Option<KeepaliveSettings> {
    let options = http_options(cluster)?;
    let of_downstream =
        || options.use_downstream_protocol_config.as_ref().and_then(|config| config.http2_protocol_options.as_ref());
    let http2 = match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(http2)) => Some(http2),
        _ => of_downstream(),
    };
    http2?.connection_keepalive
}

/// Sends a request and waits for the response's head.
pub(super) async fn send(
    mut sender: Sender,
    head: &RequestHead,
    body: RequestBody,
) -> Result<Response<Incoming>, Failure> {
    let request = upstream::http2_request(head).map(|()| body);
    let response = sender.try_send_request(request).await.map_err(|error| {
        let sent = error.message().is_none();
        Failure { sent, ..upstream::http2_reset(error.error()).into() }
    })?;
    Ok(response.map(Incoming::Http2))
}
