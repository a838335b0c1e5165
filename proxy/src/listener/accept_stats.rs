//! Statistics of accepting connections.

use crate::stats::{Counter, Gauge, Scope, Stats};

/// Statistics of the accept loops of all listening sockets.
#[derive(Clone, Debug)]
pub struct AcceptStats {
    /// Number of listening sockets that currently can't accept connections.
    pub(super) stalled: Gauge,
    /// Number of active connections.
    pub(super) active: Gauge,
    /// Number of connections that could not be accepted.
    pub(super) failures: Counter,
    /// Number of times that an accept loop was restarted.
    pub(super) restarts: Counter,
}

impl AcceptStats {
    pub fn new(stats: &Stats) -> Self {
        let root = stats.scope(Scope::Root);
        Self {
            stalled: root.gauge("sidelab.accept_stalled"),
            active: root.gauge("sidelab.connections_active"),
            failures: root.counter("sidelab.accept_failures"),
            restarts: root.counter("sidelab.accept_restarts"),
        }
    }

    /// The number of active connections.
    pub(crate) fn active(&self) -> &Gauge {
        &self.active
    }

    /// Number of listening sockets that currently can't accept connections.
    pub fn stalled(&self) -> u64 {
        self.stalled.get()
    }
}
