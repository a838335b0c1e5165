//! Connections of HTTP/1: each serves one request at a time, and waits in between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;

use super::{Acquired, Key, Sender, Wanted, lock};
use crate::{
    cluster::{ConnectFailure, Connected},
    http::{
        body::RequestBody,
        cluster_stats::ClusterStats,
        config::timeout,
        upstream::{self, Failure},
        wire::Wire,
    },
    stream_info::UpstreamInfo,
};

/// How long a connection may wait where nothing is configured. Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The connections that wait.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Key, Vec<Idle>>>>);

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    info: UpstreamInfo,
    since: Instant,
    timeout: Option<Duration>,
}

/// A connection that serves a request, and where it goes afterwards.
#[derive(Debug)]
pub(super) struct Lent {
    sender: SendRequest<RequestBody>,
    pool: Pool,
    key: Key,
    timeout: Option<Duration>,
}

impl Pool {
    pub(super) async fn acquire(
        &self,
        key: Key,
        wanted: Wanted<'_>,
        stats: &ClusterStats,
    ) -> Result<Acquired, ConnectFailure> {
        let options = wanted.cluster.http_options().and_then(|options| options.common_http_protocol_options.as_ref());
        let timeout = timeout(options.and_then(|options| options.idle_timeout), IDLE_TIMEOUT);
        let lend = |sender, key| Sender::Http1(Lent { sender, pool: self.clone(), key, timeout });
        if !wanted.fresh {
            while let Some(Idle { mut sender, info, .. }) = self.take(&key) {
                if sender.ready().await.is_ok() {
                    return Ok(Acquired { sender: lend(sender, key), info, reused: true });
                }
            }
        }
        let Connected { stream, info, guard } = wanted.cluster.connect(wanted.endpoint, wanted.context).await?;
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let handshake = Builder::new().handshake(TokioIo::new(wire)).await;
        let (sender, connection) = handshake.map_err(|_| ConnectFailure::NoHealthyUpstream)?;
        stats.http1_connections.inc();
        let (pool, waiting) = (self.clone(), key.clone());
        tokio::spawn(async move {
            let _counted = guard;
            let _ = connection.with_upgrades().await; // whoever waits for a response is told the error too
            pool.sweep(&waiting);
        });
        Ok(Acquired { sender: lend(sender, key), info, reused: false })
    }

    /// Closes what waits for no key that is kept.
    pub(super) fn retain(&self, keep: impl Fn(&Key) -> bool) {
        lock(&self.0).retain(|key, _| keep(key));
    }

    /// The connection that waited the shortest.
    fn take(&self, key: &Key) -> Option<Idle> {
        self.sweep(key);
        lock(&self.0).get_mut(key)?.pop()
    }

    /// Drops what can serve no more.
    fn sweep(&self, key: &Key) {
        let mut waiting = lock(&self.0);
        if let Some(idle) = waiting.get_mut(key) {
            idle.retain(Idle::is_fresh);
            if idle.is_empty() {
                waiting.remove(key);
            }
        }
    }
}

impl Idle {
    fn is_fresh(&self) -> bool {
        !self.sender.is_closed() && self.timeout.is_none_or(|timeout| self.since.elapsed() < timeout)
    }
}

impl Lent {
    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
        self.sender.try_send_request(request).await.map_err(|error| {
            let sent = error.message().is_none();
            Failure { sent, ..upstream::http1_reset(error.error()).into() }
        })
    }

    /// Makes it wait for the next request.
    pub(super) fn give_back(self, info: UpstreamInfo) {
        let Self { sender, pool, key, timeout } = self;
        let idle = Idle { sender, info, since: Instant::now(), timeout };
        lock(&pool.0).entry(key).or_default().push(idle);
    }
}
