//! HTTP/1 connections: each serves one request at a time, and is idle in between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use envoy_rules::outcome::{Outcome, UpstreamReset};
use http::Response;
use tokio::sync::Notify;

use super::{Acquired, Key, Lifetime, Sender, Wanted, lock};
use crate::{
    access_log::RequestHead,
    cluster::{ConnectFailure, Connected},
    http::{
        body::{Incoming, RequestBody},
        cluster_stats::ClusterStats,
        http1::{Client, NoResponse, Outgoing},
        upstream::Failure,
        wire::Wire,
    },
    stats::Counter,
    stream_info::UpstreamInfo,
};

/// The connections of one worker, by what they can be used for.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<HashMap<Key, Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    idle: Vec<Idle>,
    /// Connections, idle or not, and those that are being made.
    open: usize,
    /// Wakes a request that waits for a connection, when one has become idle or has ended.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    info: UpstreamInfo,
    since: Instant,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    lifetime: Lifetime,
    opened: Instant,
    /// How many requests it has been lent for.
    served: u32,
    /// Counts connections that have served as many as allowed.
    exhausted: Counter,
}

/// A connection in use, and the pool to return it to.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Connection,
    pool: Pool,
    key: Key,
}

/// Counts a connection as open until dropped.
struct Open {
    pool: Pool,
    key: Key,
}

impl Pool {
    /// An idle connection, else a new one, else the next that becomes idle, within the cluster's limits.
    pub(super) async fn acquire(
        &self,
        key: Key,
        wanted: Wanted<'_>,
        stats: &ClusterStats,
    ) -> Result<Acquired, ConnectFailure> {
        let mut waiting = None;
        let mut fresh = wanted.fresh;
        // One thread runs all tasks of a worker: nothing changes between a look at the pool and the wait for a change.
        loop {
            if !fresh && let Some(Idle { connection, info, .. }) = self.take(&key) {
                let lent = Lent { connection, pool: self.clone(), key };
                // Without room for the request, the connection is idle again.
                let in_use = match wanted.begin(stats) {
                    Ok(in_use) => in_use,
                    Err(overflow) => {
                        lent.give_back(info);
                        return Err(overflow);
                    }
                };
                return Ok(Acquired { sender: Sender::Http1(lent.serving()), info, reused: true, in_use });
            }
            if waiting.is_none() {
                waiting = Some(wanted.wait(stats)?);
            }
            // An endpoint without a connection gets one in any case, as nothing would wake its requests.
            if !self.is_open(&key) || wanted.cluster.has_room_for_connection() {
                break;
            }
            self.changed(&key).notified().await;
            fresh = false;
        }
        let open = self.open(&key);
        let Connected { stream, info, guard } = wanted.cluster.connect(wanted.endpoint, wanted.context).await?;
        let in_use = wanted.begin(stats)?;
        let wire = Wire::new(Bytes::new(), stream, &stats.received, &stats.sent);
        let (client, connection) = Client::new(wire);
        stats.http1_connections.inc();
        tokio::spawn(async move {
            let _counted = (guard, open);
            connection.await;
        });
        let connection = Connection {
            client,
            lifetime: Lifetime::of(wanted.cluster),
            opened: Instant::now(),
            served: 0,
            exhausted: stats.max_requests.clone(),
        };
        let lent = Lent { connection, pool: self.clone(), key };
        Ok(Acquired { sender: Sender::Http1(lent.serving()), info, reused: false, in_use })
    }

    /// Closes idle connections for other keys.
    pub(super) fn retain(&self, keep: impl Fn(&Key) -> bool) {
        let mut slots = lock(&self.0);
        for (_, slot) in slots.iter_mut().filter(|(key, _)| !keep(key)) {
            slot.idle.clear();
        }
        slots.retain(|_, slot| !slot.is_empty());
    }

    /// The most recently used connection.
    fn take(&self, key: &Key) -> Option<Idle> {
        self.sweep(key);
        lock(&self.0).get_mut(key)?.idle.pop()
    }

    /// Removes closed connections.
    fn sweep(&self, key: &Key) {
        let mut slots = lock(&self.0);
        if let Some(slot) = slots.get_mut(key) {
            slot.idle.retain(Idle::is_fresh);
            if slot.is_empty() {
                slots.remove(key);
            }
        }
    }

    fn open(&self, key: &Key) -> Open {
        lock(&self.0).entry(key.clone()).or_default().open += 1;
        Open { pool: self.clone(), key: key.clone() }
    }

    fn is_open(&self, key: &Key) -> bool {
        lock(&self.0).get(key).is_some_and(|slot| slot.open > 0)
    }

    fn changed(&self, key: &Key) -> Arc<Notify> {
        lock(&self.0).get(key).map(|slot| slot.changed.clone()).unwrap_or_default()
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.open == 0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.pool.0).get_mut(&self.key) {
            slot.open -= 1;
            // All of them, as this may be the end of the slot.
            slot.changed.notify_waiters();
        }
        self.pool.sweep(&self.key);
    }
}

impl Idle {
    fn is_fresh(&self) -> bool {
        let Connection { client, lifetime, opened, served, .. } = &self.connection;
        client.is_ready()
            && !lifetime.is_over(*served, *opened)
            && lifetime.idle.is_none_or(|idle| self.since.elapsed() < idle)
    }
}

impl Lent {
    /// The connection, about to serve another request.
    fn serving(mut self) -> Self {
        self.connection.served += 1;
        self
    }

    /// Sends a request and waits for the response's head.
    pub(super) async fn send(
        &self,
        head: &RequestHead,
        body: RequestBody,
        upgrade: bool,
    ) -> Result<Response<Incoming>, Failure> {
        let target = head.path.as_deref().unwrap_or_default();
        let outgoing = Outgoing { method: &head.method, target, headers: &head.headers, upgrade };
        match self.connection.client.send(outgoing, body).await {
            Ok(response) => Ok(response.map(Incoming::from)),
            Err(NoResponse::Reset(reset)) => Err(reset.into()),
            Err(NoResponse::NotSent) => {
                Err(Failure { outcome: Outcome::UpstreamReset(UpstreamReset::ConnectionTermination), sent: false })
            }
        }
    }

    /// Returns the connection to the pool, if it can be reused.
    pub(super) fn give_back(self, info: UpstreamInfo) {
        let Self { connection, pool, key } = self;
        let Connection { lifetime, opened, served, .. } = &connection;
        if lifetime.is_over(*served, *opened) {
            if lifetime.requests.is_some_and(|most| *served >= most) {
                connection.exhausted.inc();
            }
            return;
        }
        if connection.client.is_ready() {
            let idle = Idle { connection, info, since: Instant::now() };
            let mut slots = lock(&pool.0);
            let slot = slots.entry(key).or_default();
            slot.idle.push(idle);
            slot.changed.notify_one();
        }
    }
}
