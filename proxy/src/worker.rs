//! What a data thread's connections share.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio_util::task::TaskTracker;

use crate::{
    cluster::Cluster,
    drain::Drain,
    http::Pools,
    listener::{Listeners, TakingIn},
};

/// The clusters by name, replaced as a whole when the file of clusters is.
pub type Clusters = ArcSwap<HashMap<String, Arc<Cluster>>>;

/// One data thread.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// The clusters.
    pub clusters: Arc<Clusters>,
    /// The listeners.
    pub listeners: Arc<ArcSwap<Listeners>>,
    /// Its connections.
    pub connections: TaskTracker,
    /// Goes off when the proxy ends.
    pub drain: Drain,
    /// How taking connections in goes.
    pub taking_in: TakingIn,
    /// Its HTTP connections upstream.
    pub http: Pools,
}

impl Worker {
    /// The cluster of that name, if there is one now.
    pub fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.load().get(name).cloned()
    }
}
