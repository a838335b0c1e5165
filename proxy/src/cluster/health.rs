//! What is known of an endpoint from requests to it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use envoy_rules::outlier::Monitor;

/// What is known of an endpoint. It outlives the endpoint's configuration.
#[derive(Debug, Default)]
pub(super) struct Health {
    monitor: Mutex<Monitor>,
    /// Whether it is ejected, to be read without a lock.
    ejected: AtomicBool,
}

impl Health {
    pub(super) fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    pub(super) fn set_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Relaxed);
    }
}
