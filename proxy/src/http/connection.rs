//! A downstream connection, as its requests see it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
};

use envoy_rules::codec::HttpVersion;
use tokio_util::sync::CancellationToken;

use super::{activity::Activity, config::Hcm};
use crate::{drain::Drain, stream_info::ConnectionInfo, worker::Worker};

/// A downstream connection, shared with its requests.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) hcm: Arc<Hcm>,
    pub(super) worker: Arc<Worker>,
    pub(super) version: HttpVersion,
    requests: AtomicU32,
    active: AtomicU32,
    activity: Activity,
    /// Cancelled when it has served its maximum number of requests.
    worn_out: CancellationToken,
    closing: AtomicBool,
    ended: AtomicBool,
}

impl Connection {
    pub(super) fn new(info: Arc<ConnectionInfo>, hcm: Arc<Hcm>, worker: Arc<Worker>, version: HttpVersion) -> Self {
        Self {
            info,
            hcm,
            worker,
            version,
            requests: AtomicU32::new(0),
            active: AtomicU32::new(0),
            activity: Activity::default(),
            worn_out: CancellationToken::new(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Records the start of a request.
    pub(super) fn exchange_begun(&self) {
        self.active.fetch_add(1, Relaxed);
        let served = self.requests.fetch_add(1, Relaxed) + 1;
        if self.hcm.max_requests.is_some_and(|max| served >= max) {
            self.worn_out.cancel();
        }
    }

    /// Records that a response was forwarded, or dropped.
    pub(super) fn exchange_ended(&self) {
        self.active.fetch_sub(1, Relaxed);
        self.activity.touch();
    }

    /// Records that the downstream connection has ended.
    pub(super) fn end(&self) {
        self.ended.store(true, Relaxed);
    }

    /// Whether the downstream connection has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether an HTTP/1 connection is about to be closed, which its next response announces.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    /// Completes when the connection should end as soon as its requests are complete.
    pub(super) async fn to_be_closed(&self, drain: &Drain) {
        tokio::select! {
            () = drain.asked() => self.hcm.stats.drained.inc(),
            () = self.worn_out.cancelled() => {}
            () = self.activity.idle_for(self.hcm.idle_timeout, || self.is_busy()) => self.hcm.stats.idle_timeouts.inc(),
        }
    }

    /// Completes when an HTTP/1 connection should be closed. The client learns of it with the next response, and has some time to
    /// request it: closing a connection while a request arrives would lose that request.
    pub(super) async fn last_call(&self, drain: &Drain) {
        self.to_be_closed(drain).await;
        self.closing.store(true, Relaxed);
        self.activity.touch();
        self.activity.idle_for(Some(self.hcm.drain_timeout), || self.is_busy()).await;
    }
}
