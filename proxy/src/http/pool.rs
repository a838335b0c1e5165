//! Upstream connections that wait for the next request. Each worker has its own, so no lock is ever contended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{
    body::{RequestBody, RequestSource},
    config::timeout,
    sniff::Version,
    upstream::{self, Failure},
    wire::Wire,
};
use crate::{
    cluster::{Cluster, ConnectContext, ConnectFailure, Connected, Endpoint, PoolKey},
    outcome::{Outcome, UpstreamReset},
    stats::{Counter, Gauge, Held, Scope, Stats},
    stream_info::UpstreamInfo,
};

/// How long a connection may wait where nothing is configured. Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// The window of an HTTP/2 stream, in bytes. Envoy's default.
const STREAM_WINDOW: u32 = 16 * 1024 * 1024;
/// The window of an HTTP/2 connection, in bytes. Envoy's default.
const CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

/// The upstream connections of one worker.
#[derive(Debug)]
pub struct Pools {
    stats: Stats,
    hits: Counter,
    by_cluster: Mutex<HashMap<u64, Arc<ClusterStats>>>,
    http1: Arc<Mutex<HashMap<Key, Vec<Idle>>>>,
    http2: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Option<Shared>>>>>,
}

/// What two requests must agree on to use one connection: the last is the downstream connection, where the cluster
/// keeps them apart.
type Key = (PoolKey, Option<u64>);

/// What a cluster counts of its requests.
#[derive(Debug)]
pub(super) struct ClusterStats {
    requests: Counter,
    http1_connections: Counter,
    http2_connections: Counter,
    pub(super) retries: Counter,
    pub(super) retries_exceeded: Counter,
    pub(super) retries_successful: Counter,
    pub(super) timeouts: Counter,
    resets: Counter,
    protocol_errors: Counter,
    active: Gauge,
    received: Counter,
    sent: Counter,
    completed: Counter,
    stats: crate::stats::ScopedStats,
    by_status: Mutex<HashMap<u16, [Counter; 2]>>,
}

#[derive(Debug)]
struct Idle {
    sender: http1::SendRequest<RequestBody>,
    info: UpstreamInfo,
    since: Instant,
    timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Shared {
    sender: http2::SendRequest<RequestBody>,
    info: UpstreamInfo,
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Acquired {
    sender: Sender,
    info: UpstreamInfo,
    reused: bool,
}

#[derive(Debug)]
enum Sender {
    Http1 { sender: http1::SendRequest<RequestBody>, home: Home },
    Http2(http2::SendRequest<RequestBody>),
}

/// Where an HTTP/1 connection goes back to.
#[derive(Clone, Debug)]
struct Home {
    pool: Arc<Mutex<HashMap<Key, Vec<Idle>>>>,
    key: Key,
    timeout: Option<Duration>,
}

/// A connection while its response is under way.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counts the request as under way.
    _active: Option<Held>,
    http1: Option<(http1::SendRequest<RequestBody>, Home, UpstreamInfo, RequestSource)>,
}

impl Pools {
    /// No connections yet.
    pub fn new(stats: &Stats) -> Self {
        Self {
            hits: stats.scope(Scope::Root).counter("sidelab.pool_hits"),
            stats: stats.clone(),
            by_cluster: Mutex::default(),
            http1: Arc::default(),
            http2: Mutex::default(),
        }
    }

    /// The statistics of a cluster's requests.
    pub(super) fn stats(&self, cluster: &Cluster) -> Arc<ClusterStats> {
        let new = || {
            let name = &cluster.config().alt_stat_name;
            let name = if name.is_empty() { cluster.name.to_string() } else { name.clone() };
            Arc::new(ClusterStats::new(self.stats.scope(Scope::Cluster(name))))
        };
        lock(&self.by_cluster).entry(cluster.id).or_insert_with(new).clone()
    }

    /// A connection to an endpoint: one that waits, or a new one.
    ///
    /// # Errors
    /// When there is none and none can be made.
    pub(super) async fn acquire(
        &self,
        cluster: &Cluster,
        endpoint: &Arc<Endpoint>,
        context: &ConnectContext<'_>,
        version: Version,
        downstream: u64,
    ) -> Result<Acquired, ConnectFailure> {
        let own = cluster.config().connection_pool_per_downstream_connection.then_some(downstream);
        let key = (cluster.pool_key(endpoint, context), own);
        match version {
            Version::Http1 => self.http1(cluster, endpoint, context, key).await,
            Version::Http2 => self.http2(cluster, endpoint, context, key).await,
        }
    }

    /// Closes what a downstream connection had for itself.
    pub(super) fn forget(&self, downstream: u64) {
        lock(&self.http1).retain(|(_, own), _| *own != Some(downstream));
        lock(&self.http2).retain(|(_, own), _| *own != Some(downstream));
    }

    async fn http1(
        &self,
        cluster: &Cluster,
        endpoint: &Arc<Endpoint>,
        context: &ConnectContext<'_>,
        key: Key,
    ) -> Result<Acquired, ConnectFailure> {
        let common = cluster.http_options().and_then(|options| options.common_http_protocol_options.as_ref());
        let home = Home {
            pool: self.http1.clone(),
            key,
            timeout: timeout(common.and_then(|common| common.idle_timeout), IDLE_TIMEOUT),
        };
        while let Some(Idle { mut sender, info, .. }) = home.take() {
            if sender.ready().await.is_ok() {
                self.hits.inc();
                return Ok(Acquired { sender: Sender::Http1 { sender, home }, info, reused: true });
            }
        }
        let Connected { stream, info, guard } = cluster.connect(endpoint, context).await?;
        let stats = self.stats(cluster);
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let handshake = http1::Builder::new().handshake(TokioIo::new(wire)).await;
        let (sender, connection) = handshake.map_err(|_| ConnectFailure::NoHealthyUpstream)?;
        stats.http1_connections.inc();
        tokio::spawn(async move {
            let _counted = guard;
            let _ = connection.with_upgrades().await; // whoever waits for a response is told the error too
        });
        Ok(Acquired { sender: Sender::Http1 { sender, home }, info, reused: false })
    }

    async fn http2(
        &self,
        cluster: &Cluster,
        endpoint: &Arc<Endpoint>,
        context: &ConnectContext<'_>,
        key: Key,
    ) -> Result<Acquired, ConnectFailure> {
        let slot = lock(&self.http2).entry(key).or_default().clone();
        let mut slot = slot.lock().await; // whoever comes while it is being made waits for the same connection
        if let Some(Shared { sender, info }) = slot.as_ref().filter(|shared| !shared.sender.is_closed()).cloned() {
            self.hits.inc();
            return Ok(Acquired { sender: Sender::Http2(sender), info, reused: true });
        }
        let Connected { stream, info, guard } = cluster.connect(endpoint, context).await?;
        let stats = self.stats(cluster);
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(wire))
            .await;
        let (sender, connection) = handshake.map_err(|_| ConnectFailure::NoHealthyUpstream)?;
        stats.http2_connections.inc();
        tokio::spawn(async move {
            let _counted = guard;
            let _ = connection.await; // as above
        });
        *slot = Some(Shared { sender: sender.clone(), info: info.clone() });
        Ok(Acquired { sender: Sender::Http2(sender), info, reused: false })
    }
}

impl Acquired {
    /// The facts of the connection.
    pub(super) fn info(&self) -> &UpstreamInfo {
        &self.info
    }

    /// Whether it served a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(
        self,
        request: Request<RequestBody>,
        source: &RequestSource,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        match self.sender {
            Sender::Http1 { mut sender, home } => match sender.try_send_request(request).await {
                Ok(response) => {
                    let http1 = Some((sender, home, self.info, source.clone()));
                    Ok((response, Lease { _active: None, http1 }))
                }
                Err(error) => {
                    let sent = error.message().is_none();
                    Err(Failure { sent, ..upstream::http1_reset(error.error()).into() })
                }
            },
            Sender::Http2(mut sender) => match sender.try_send_request(request).await {
                Ok(response) => Ok((response, Lease { _active: None, http1: None })),
                Err(error) => {
                    let sent = error.message().is_none();
                    Err(Failure { sent, ..upstream::http2_reset(error.error()).into() })
                }
            },
        }
    }
}

impl Lease {
    /// The same, counted as under way for as long as it lives.
    pub(super) fn counted(self, active: Held) -> Self {
        Self { _active: Some(active), ..self }
    }

    /// Makes the connection wait for the next request, if this one is done.
    pub(super) fn give_back(self) {
        if let Some((sender, home, info, source)) = self.http1
            && source.is_whole()
        {
            home.put(sender, info);
        }
    }
}

impl Home {
    /// The connection that waited the shortest.
    fn take(&self) -> Option<Idle> {
        let mut pools = lock(&self.pool);
        let idle = pools.get_mut(&self.key)?;
        idle.retain(Idle::is_fresh);
        idle.pop()
    }

    fn put(self, sender: http1::SendRequest<RequestBody>, info: UpstreamInfo) {
        let mut pools = lock(&self.pool);
        let idle = pools.entry(self.key).or_default();
        idle.retain(Idle::is_fresh);
        idle.push(Idle { sender, info, since: Instant::now(), timeout: self.timeout });
    }
}

impl Idle {
    fn is_fresh(&self) -> bool {
        !self.sender.is_closed() && self.timeout.is_none_or(|timeout| self.since.elapsed() < timeout)
    }
}

impl ClusterStats {
    fn new(stats: crate::stats::ScopedStats) -> Self {
        Self {
            requests: stats.counter("upstream_rq_total"),
            http1_connections: stats.counter("upstream_cx_http1_total"),
            http2_connections: stats.counter("upstream_cx_http2_total"),
            retries: stats.counter("upstream_rq_retry"),
            retries_exceeded: stats.counter("upstream_rq_retry_limit_exceeded"),
            retries_successful: stats.counter("upstream_rq_retry_success"),
            timeouts: stats.counter("upstream_rq_timeout"),
            resets: stats.counter("upstream_rq_rx_reset"),
            protocol_errors: stats.counter("upstream_cx_protocol_error"),
            active: stats.gauge("upstream_rq_active"),
            received: stats.counter("upstream_cx_rx_bytes_total"),
            sent: stats.counter("upstream_cx_tx_bytes_total"),
            completed: stats.counter("upstream_rq_completed"),
            stats,
            by_status: Mutex::default(),
        }
    }

    /// Counts a request as under way.
    pub(super) fn begun(&self) -> Held {
        self.requests.inc();
        self.active.hold()
    }

    /// Counts a try that failed.
    pub(super) fn failed(&self, outcome: &Outcome) {
        match outcome {
            Outcome::UpstreamTimeout => self.timeouts.inc(),
            Outcome::UpstreamReset(UpstreamReset::ProtocolError) => self.protocol_errors.inc(),
            Outcome::UpstreamReset(UpstreamReset::RemoteReset | UpstreamReset::RemoteRefused) => self.resets.inc(),
            _ => {}
        }
    }

    /// Counts a response, by its status and by its class.
    pub(super) fn responded(&self, status: u16) {
        self.completed.inc();
        let names = || [format!("upstream_rq_{status}"), format!("upstream_rq_{}xx", status / 100)];
        let mut by_status = lock(&self.by_status);
        by_status
            .entry(status)
            .or_insert_with(|| names().map(|name| self.stats.counter(&name)))
            .iter()
            .for_each(Counter::inc);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
