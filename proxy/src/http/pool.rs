//! Upstream connections that wait for the next request. Each worker has its own, so no lock is ever contended.

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

/// A cluster that was sent requests.
#[derive(Debug)]
struct Served {
    cluster: Weak<Cluster>,
    stats: Arc<ClusterStats>,
}

/// What two requests must agree on to use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The cluster's number: a cluster that was replaced has another.
    cluster: u64,
    connection: PoolKey,
    /// The downstream connection, where the cluster keeps them apart.
    downstream: Option<u64>,
}

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) context: &'a ConnectContext<'a>,
    pub(super) version: HttpVersion,
    /// The downstream connection's number.
    pub(super) downstream: u64,
    /// Whether one that has not served before is wanted.
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

/// A connection while its response is under way.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counts the request as under way.
    _active: Option<Held>,
    /// What goes back to where it came from.
    http1: Option<(http1::Lent, UpstreamInfo)>,
}

impl Pools {
    /// No connections yet.
    pub fn new(stats: &Stats) -> Self {
        Self {
            hits: stats.scope(Scope::Root).counter("sidelab.pool_hits"),
            stats: stats.clone(),
            by_cluster: Mutex::default(),
            http1: http1::Pool::default(),
            http2: http2::Pool::default(),
        }
    }

    /// The statistics of a cluster's requests.
    pub(super) fn stats(&self, cluster: &Arc<Cluster>) -> Arc<ClusterStats> {
        let mut by_cluster = lock(&self.by_cluster);
        if let Some(served) = by_cluster.get(&cluster.id) {
            return served.stats.clone();
        }
        // A new cluster often takes another's place: what that one had is closed.
        by_cluster.retain(|_, served| served.cluster.strong_count() > 0);
        self.retain(|key| by_cluster.contains_key(&key.cluster));
        let name = &cluster.config().alt_stat_name;
        let name = if name.is_empty() { cluster.name.to_string() } else { name.clone() };
        let stats = Arc::new(ClusterStats::new(self.stats.scope(Scope::Cluster(name))));
        by_cluster.insert(cluster.id, Served { cluster: Arc::downgrade(cluster), stats: stats.clone() });
        stats
    }

    /// A connection to an endpoint: one that waits, or a new one.
    ///
    /// # Errors
    /// When there is none and none can be made.
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

    /// Closes what a downstream connection had for itself.
    pub(super) fn forget(&self, downstream: u64) {
        self.retain(|key| key.downstream != Some(downstream));
    }

    fn retain(&self, keep: impl Fn(&Key) -> bool) {
        self.http1.retain(&keep);
        self.http2.retain(&keep);
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
    /// The same, counted as under way for as long as it lives.
    pub(super) fn counted(self, active: Held) -> Self {
        Self { _active: Some(active), ..self }
    }

    /// Makes the connection wait for the next request, if it can go on.
    pub(super) fn give_back(self) {
        if let Some((lent, info)) = self.http1 {
            lent.give_back(info);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
