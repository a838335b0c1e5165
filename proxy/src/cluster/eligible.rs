//! The endpoints that may be chosen.

use std::sync::Arc;

use envoy_rules::{hash_table::HashTable, outlier::is_in_panic};

use super::Endpoint;

/// The endpoints that may be chosen, and what leads to them from a hash.
#[derive(Debug, Default)]
pub(super) struct Eligible {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) table: Option<HashTable>,
}

impl Eligible {
    /// Those that are not ejected; all, if that leaves too few.
    pub(super) fn new(config: &envoy_api::Cluster, all: &[Arc<Endpoint>]) -> Self {
        let mut endpoints: Vec<_> = all.iter().filter(|endpoint| !endpoint.is_ejected()).cloned().collect();
        if is_in_panic(config, endpoints.len(), all.len()) {
            endpoints = all.to_vec();
        }
        let hosts: Vec<_> = endpoints.iter().map(|endpoint| (endpoint.host.0.to_string(), endpoint.weight)).collect();
        Self { table: HashTable::new(config, &hosts), endpoints }
    }
}
