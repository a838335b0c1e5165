//! Request statistics of a cluster.

use envoy_rules::outcome::{Outcome, UpstreamReset};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::stats::{Counter, Gauge, Held, ScopedStats};

/// Request statistics of a cluster.
#[derive(Debug)]
pub(super) struct ClusterStats {
    requests: Counter,
    pub(super) http1_connections: Counter,
    pub(super) http2_connections: Counter,
    pub(super) retries: Counter,
    pub(super) retries_overflow: Counter,
    pub(super) pending: Counter,
    pub(super) pending_active: Gauge,
    pub(super) pending_overflow: Counter,
    pub(super) max_requests: Counter,
    pub(super) retries_exceeded: Counter,
    pub(super) retries_successful: Counter,
    pub(super) timeouts: Counter,
    resets: Counter,
    protocol_errors: Counter,
    active: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter,
    completed: Counter,
    stats: ScopedStats,
    by_status: Mutex<HashMap<u16, [Counter; 2]>>,
}

impl ClusterStats {
    pub(super) fn new(stats: ScopedStats) -> Self {
        Self {
            requests: stats.counter("upstream_rq_total"),
            http1_connections: stats.counter("upstream_cx_http1_total"),
            http2_connections: stats.counter("upstream_cx_http2_total"),
            retries: stats.counter("upstream_rq_retry"),
            retries_overflow: stats.counter("upstream_rq_retry_overflow"),
            pending: stats.counter("upstream_rq_pending_total"),
            pending_active: stats.gauge("upstream_rq_pending_active"),
            pending_overflow: stats.counter("upstream_rq_pending_overflow"),
            max_requests: stats.counter("upstream_cx_max_requests"),
            retries_exceeded: stats.counter("upstream_rq_retry_limit_exceeded"),
            retries_successful: stats.counter("upstream_rq_retry_success"),
            timeouts: stats.counter("upstream_rq_timeout"),
            resets: stats.counter("upstream_rq_rx_reset"),
            protocol_errors: stats.counter("upstream_cx_protocol_error"),
            active: stats.gauge("upstream_rq_active"),
            received: stats.counter("upstream_cx_rx_bytes_total"),
            sent: stats.counter("upstream_cx_tx_bytes_total"),
            completed: stats.counter("upstream_rq_completed"),
            stats,
            by_status: Mutex::default(),
        }
    }

    /// Counts an active request until dropped.
    pub(super) fn begun(&self) -> Held {
        self.requests.inc();
        self.active.hold()
    }

    /// Counts a failed attempt.
    pub(super) fn failed(&self, outcome: &Outcome) {
        match outcome {
            Outcome::ResponseTimeout => self.timeouts.inc(),
            Outcome::UpstreamReset(UpstreamReset::ProtocolError) => self.protocol_errors.inc(),
            Outcome::UpstreamReset(UpstreamReset::RemoteReset | UpstreamReset::RemoteRefused) => self.resets.inc(),
            _ => {}
        }
    }

    /// Counts a response by its status and its class.
    pub(super) fn responded(&self, status: u16) {
        self.completed.inc();
        let names = || [format!("upstream_rq_{status}"), format!("upstream_rq_{}xx", status / 100)];
        let mut by_status = self.by_status.lock().unwrap_or_else(PoisonError::into_inner);
        by_status
            .entry(status)
            .or_insert_with(|| names().map(|name| self.stats.counter(&name)))
            .iter()
            .for_each(Counter::inc);
    }
}
