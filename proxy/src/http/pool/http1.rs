//! HTTP/1 connections: each serves one request at a time, and is idle in between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use envoy_rules::{
    outcome::{Outcome, UpstreamReset},
    upstream::http_options,
};
use http::Response;

use super::{Acquired, Key, Sender, Wanted, lock};
use crate::{
    access_log::RequestHead,
    cluster::{ConnectFailure, Connected},
    http::{
        body::{Incoming, RequestBody},
        cluster_stats::ClusterStats,
        http1::{Client, NoResponse, Outgoing},
        timeout::timeout,
        upstream::Failure,
        wire::Wire,
    },
    stream_info::UpstreamInfo,
};

/// Default idle timeout. Envoy's default.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// The idle connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Key, Vec<Idle>>>>);

#[derive(Debug)]
struct Idle {
    client: Client,
    info: UpstreamInfo,
    since: Instant,
    timeout: Option<Duration>,
}

/// A connection in use, and the pool to return it to.
#[derive(Debug)]
pub(super) struct Lent {
    client: Client,
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
        let options =
            http_options(wanted.cluster.config()).and_then(|options| options.common_http_protocol_options.as_ref());
        let timeout = timeout(options.and_then(|options| options.idle_timeout), IDLE_TIMEOUT);
        let lend = |client, key| Sender::Http1(Lent { client, pool: self.clone(), key, timeout });
        if !wanted.fresh
            && let Some(Idle { client, info, .. }) = self.take(&key)
        {
            return Ok(Acquired { sender: lend(client, key), info, reused: true });
        }
        let Connected { stream, info, guard } = wanted.cluster.connect(wanted.endpoint, wanted.context).await?;
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let (client, connection) = Client::new(wire);
        stats.http1_connections.inc();
        let (pool, waiting) = (self.clone(), key.clone());
        tokio::spawn(async move {
            let _counted = guard;
            connection.await;
            pool.sweep(&waiting);
        });
        Ok(Acquired { sender: lend(client, key), info, reused: false })
    }

    /// Closes idle connections for other keys.
    pub(super) fn retain(&self, keep: impl Fn(&Key) -> bool) {
        lock(&self.0).retain(|key, _| keep(key));
    }

    /// The most recently used connection.
    fn take(&self, key: &Key) -> Option<Idle> {
        self.sweep(key);
        lock(&self.0).get_mut(key)?.pop()
    }

    /// Removes closed connections.
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
        self.client.is_ready() && self.timeout.is_none_or(|timeout| self.since.elapsed() < timeout)
    }
}

impl Lent {
    /// Sends a request and waits for the response's head.
    pub(super) async fn send(
        &self,
        head: &RequestHead,
        body: RequestBody,
        upgrade: bool,
    ) -> Result<Response<Incoming>, Failure> {
        let target = head.path.as_deref().unwrap_or_default();
        let outgoing = Outgoing { method: &head.method, target, headers: &head.headers, upgrade };
        match self.client.send(outgoing, body).await {
            Ok(response) => Ok(response.map(Incoming::from)),
            Err(NoResponse::Reset(reset)) => Err(reset.into()),
            Err(NoResponse::NotSent) => {
                Err(Failure { outcome: Outcome::UpstreamReset(UpstreamReset::ConnectionTermination), sent: false })
            }
        }
    }

    /// Returns the connection to the pool, if it can be reused.
    pub(super) fn give_back(self, info: UpstreamInfo) {
        let Self { client, pool, key, timeout } = self;
        if client.is_ready() {
            let idle = Idle { client, info, since: Instant::now(), timeout };
            lock(&pool.0).entry(key).or_default().push(idle);
        }
    }
}
