//! Pools of upstream connections. Each worker has its own, so locks are never contended.

mod http1;
mod http2;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use envoy_rules::{codec::HttpVersion, upstream::http_options};
use http::Response;

use super::{
    body::{Incoming, RequestSource},
    cluster_stats::ClusterStats,
    timeout::timeout,
    upstream::Failure,
};
use crate::{
    access_log::RequestHead,
    cluster::{Cluster, ConnectContext, ConnectFailure, Endpoint, InUse, PoolKey},
    stats::{Counter, Held, Scope, Stats},
    stream_info::UpstreamInfo,
};

/// Default idle timeout. Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The upstream connections of one worker.
#[derive(Debug)]
pub struct Pools {
    stats: Stats,
    hits: Counter,
    by_cluster: Mutex<HashMap<u64, Served>>,
    http1: http1::Pool,
    http2: http2::Pool,
}

/// A cluster to which requests were sent.
#[derive(Debug)]
struct Served {
    cluster: Weak<Cluster>,
    stats: Arc<ClusterStats>,
}

/// Requests with equal keys can share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The cluster's id, which changes if it is replaced.
    cluster: u64,
    connection: PoolKey,
    /// Id of the downstream connection, if the cluster does not share connections among them.
    downstream: Option<u64>,
}

/// How long connections of a cluster are used.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    /// Closed after this long without requests.
    idle: Option<Duration>,
    /// Closed after this many requests.
    requests: Option<u32>,
    /// Closed at this age.
    age: Option<Duration>,
}

impl Lifetime {
    fn of(cluster: &Cluster) -> Self {
        let options = http_options(cluster.config()).and_then(|options| options.common_http_protocol_options.as_ref());
        Self {
            idle: timeout(options.and_then(|options| options.idle_timeout), IDLE_TIMEOUT),
            requests: options.and_then(|options| options.max_requests_per_connection).filter(|most| *most > 0),
            age: timeout(options.and_then(|options| options.max_connection_duration), Duration::ZERO),
        }
    }

    /// Whether a connection has served its requests, or is too old for another one.
    fn is_over(&self, served: u32, opened: Instant) -> bool {
        self.requests.is_some_and(|most| served >= most) || self.age.is_some_and(|age| opened.elapsed() >= age)
    }
}

/// What a connection is needed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) context: &'a ConnectContext<'a>,
    pub(super) version: HttpVersion,
    /// Id of the downstream connection.
    pub(super) downstream: u64,
    /// Whether a new connection is required.
    pub(super) fresh: bool,
}

/// A request that waits for a connection, counted until dropped.
struct Waiting {
    _pending: InUse,
    _active: Held,
}

impl Wanted<'_> {
    /// Counts a request that waits for a connection, within the cluster's limit.
    fn wait(&self, stats: &ClusterStats) -> Result<Waiting, ConnectFailure> {
        let pending = within(self.cluster.resources.pending.take(), stats)?;
        stats.pending.inc();
        Ok(Waiting { _pending: pending, _active: stats.pending_active.hold() })
    }

    /// Counts a request that is sent, within the cluster's limit.
    fn begin(&self, stats: &ClusterStats) -> Result<InUse, ConnectFailure> {
        within(self.cluster.resources.requests.take(), stats)
    }
}

/// A part of a resource, if there was room for it.
fn within(taken: Option<InUse>, stats: &ClusterStats) -> Result<InUse, ConnectFailure> {
    taken.ok_or_else(|| {
        stats.pending_overflow.inc();
        ConnectFailure::Overflow
    })
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Acquired {
    sender: Sender,
    info: UpstreamInfo,
    reused: bool,
    /// Counts the request, within the cluster's limit.
    in_use: InUse,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::Lent),
    Http2(http2::Sender),
}

/// A connection that is in use for a response.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counts the request as active.
    _active: Option<Held>,
    /// Counts it within the cluster's limit.
    _in_use: InUse,
    /// Returned to the pool afterwards.
    http1: Option<(http1::Lent, UpstreamInfo)>,
}

impl Pools {
    /// Empty pools.
    pub fn new(stats: &Stats) -> Self {
        Self {
            hits: stats.scope(Scope::Root).counter("sidelab.pool_hits"),
            stats: stats.clone(),
            by_cluster: Mutex::default(),
            http1: http1::Pool::default(),
            http2: http2::Pool::default(),
        }
    }

    /// The request statistics of a cluster.
    pub(super) fn stats(&self, cluster: &Arc<Cluster>) -> Arc<ClusterStats> {
        let mut by_cluster = lock(&self.by_cluster);
        if let Some(served) = by_cluster.get(&cluster.id) {
            return served.stats.clone();
        }
        // A new cluster often replaces another one, whose connections are closed.
        by_cluster.retain(|_, served| served.cluster.strong_count() > 0);
        self.retain(|key| by_cluster.contains_key(&key.cluster));
        let name = &cluster.config().alt_stat_name;
        let name = if name.is_empty() { cluster.name.to_string() } else { name.clone() };
        let stats = Arc::new(ClusterStats::new(self.stats.scope(Scope::Cluster(name))));
        by_cluster.insert(cluster.id, Served { cluster: Arc::downgrade(cluster), stats: stats.clone() });
        stats
    }

    /// A connection to an endpoint: an idle one, or a new one.
    ///
    /// # Errors
    /// If there is no idle one and connecting fails, or the cluster's limits allow no more.
    pub(super) async fn acquire(&self, wanted: Wanted<'_>) -> Result<Acquired, ConnectFailure> {
        let Wanted { cluster, endpoint, context, .. } = wanted;
        let own = cluster.config().connection_pool_per_downstream_connection.then_some(wanted.downstream);
        let key = Key { cluster: cluster.id, connection: cluster.pool_key(endpoint, context), downstream: own };
        let stats = self.stats(cluster);
        let acquired = match wanted.version {
            HttpVersion::Http1 => self.http1.acquire(key, wanted, &stats).await,
            HttpVersion::Http2 => self.http2.acquire(key, wanted, &stats).await,
        }?;
        if acquired.reused {
            self.hits.inc();
        }
        Ok(acquired)
    }

    /// Closes the connections that were reserved for a downstream connection.
    pub(super) fn forget(&self, downstream: u64) {
        self.retain(|key| key.downstream != Some(downstream));
    }

    fn retain(&self, keep: impl Fn(&Key) -> bool) {
        self.http1.retain(&keep);
        self.http2.retain(&keep);
    }
}

impl Acquired {
    /// Facts about the connection.
    pub(super) fn info(&self) -> &UpstreamInfo {
        &self.info
    }

    /// Whether it has served a request before.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for the response's head.
    pub(super) async fn send(
        self,
        head: &RequestHead,
        body: &RequestSource,
        upgrade: bool,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let Self { sender, info, in_use, .. } = self;
        match sender {
            Sender::Http1(lent) => {
                let response = lent.send(head, body.body(HttpVersion::Http1), upgrade).await?;
                Ok((response, Lease { _active: None, _in_use: in_use, http1: Some((lent, info)) }))
            }
            Sender::Http2(sender) => {
                let response = http2::send(sender, head, body.body(HttpVersion::Http2)).await?;
                Ok((response, Lease { _active: None, _in_use: in_use, http1: None }))
            }
        }
    }
}

impl Lease {
    /// Also counts the request as active until dropped.
    pub(super) fn counted(self, active: Held) -> Self {
        Self { _active: Some(active), ..self }
    }

    /// Returns the connection to the pool, if it can be reused.
    pub(super) fn give_back(self) {
        if let Some((lent, info)) = self.http1 {
            lent.give_back(info);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
