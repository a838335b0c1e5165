//! Pools of upstream connections. Each worker has its own, so locks are never contended.

mod http1;
mod http2;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use envoy_rules::codec::HttpVersion;
use http::Response;

use super::{
    body::{Incoming, RequestSource},
    cluster_stats::ClusterStats,
    upstream::Failure,
};
use crate::{
    access_log::RequestHead,
    cluster::{Cluster, ConnectContext, ConnectFailure, Endpoint, PoolKey},
    stats::{Counter, Held, Scope, Stats},
    stream_info::UpstreamInfo,
};

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

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Acquired {
    sender: Sender,
    info: UpstreamInfo,
    reused: bool,
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
    /// If there is no idle one and connecting fails.
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
        match self.sender {
            Sender::Http1(lent) => {
                let response = lent.send(head, body.body(HttpVersion::Http1), upgrade).await?;
                Ok((response, Lease { _active: None, http1: Some((lent, self.info)) }))
            }
            Sender::Http2(sender) => {
                let response = http2::send(sender, head, body.body(HttpVersion::Http2)).await?;
                Ok((response, Lease { _active: None, http1: None }))
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
