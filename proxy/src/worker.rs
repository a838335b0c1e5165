//! State that a worker's connections share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

use crate::{
    cluster::{Cluster, Clusters},
    drain::Drain,
    http::Pools,
    listener::{AcceptStats, Listeners},
};

#[derive(Debug)]
pub struct Worker {
    /// Index, counted from 0.
    pub index: usize,
    pub clusters: Arc<Clusters>,
    pub listeners: Arc<ArcSwap<Listeners>>,
    pub connections: TaskTracker,
    /// Signalled when the proxy exits.
    pub drain: Drain,
    /// Statistics of accepting connections.
    pub accept_stats: AcceptStats,
    /// Its upstream HTTP connections.
    pub http: Pools,
}

impl Worker {
    /// The cluster with this name, if it currently exists.
    pub fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.load().get(name).cloned()
    }
}
