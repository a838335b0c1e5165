//! The time of a call.

use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::time::Instant as Deadline;

use crate::failure::{Cause, Failure, FailureKind, Stage};

/// How long an orderly close may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The time since the start of a call, with its deadline.
pub(crate) struct Clock {
    /// Times are relative to this.
    start: Instant,
    /// When the request was sent; later than `start` if a load's request had to wait for a connection.
    begun: Deadline,
    end: Option<Deadline>,
    stopped: OnceLock<Instant>,
}

impl Clock {
    pub(crate) fn start(limit: Option<Duration>) -> Self {
        Self::start_at(Instant::now(), limit)
    }

    /// A clock that started at `start`, which may be in the past.
    pub(crate) fn start_at(start: Instant, limit: Option<Duration>) -> Self {
        let begun = Deadline::now();
        Self { start, begun, end: limit.map(|limit| begun + limit), stopped: OnceLock::new() }
    }

    /// Microseconds since the start.
    pub(crate) fn micros(&self) -> u64 {
        self.micros_at(Instant::now())
    }

    /// Microseconds from the start to `at`.
    pub(crate) fn micros_at(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX)
    }

    /// Stops the clock: the answer is complete, or will never be. An orderly close is not counted.
    pub(crate) fn stop(&self) {
        self.stopped.get_or_init(Instant::now);
    }

    /// Microseconds from the start until the clock was stopped, or until now.
    pub(super) fn total(&self) -> u64 {
        self.micros_at(self.stopped.get().copied().unwrap_or_else(Instant::now))
    }

    /// Runs one stage. It fails with `timeout` if the deadline of the call, or of connecting (`limit` after the start), passes first.
    pub(crate) async fn run<T>(
        &self,
        stage: Stage,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let end = match (self.end, limit.map(|limit| self.begun + limit)) {
            (Some(a), Some(b)) => a.min(b),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => return work.await,
        };
        tokio::time::timeout_at(end, work).await.unwrap_or_else(|_| {
            let after = Duration::from_micros(self.micros());
            Err(Cause::new(FailureKind::Timeout, format!("no result after {after:?}")).at(stage))
        })
    }
}
