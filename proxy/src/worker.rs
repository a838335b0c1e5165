//! What a data thread's connections share.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::cluster::Cluster;

/// The clusters by name, replaced as a whole when the file of clusters is.
pub type Clusters = ArcSwap<HashMap<String, Arc<Cluster>>>;

/// One data thread.
#[derive(Debug)]
pub struct Worker {
    /// Its number, from 0.
    pub index: usize,
    /// The clusters.
    pub clusters: Arc<Clusters>,
}

impl Worker {
    /// The cluster of that name, if there is one now.
    pub fn cluster(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.load().get(name).cloned()
    }
}
