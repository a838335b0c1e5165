//! Tracking the time of the last activity, without resetting a timer each time.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// The time of the last activity.
#[derive(Debug)]
pub(super) struct Activity {
    begin: Instant,
    /// In milliseconds since `begin`.
    last: AtomicU64,
}

impl Activity {
    /// Records activity.
    pub(super) fn touch(&self) {
        self.last.store(self.now(), Relaxed);
    }

    /// Completes when there has been no activity for `limit`; never without a limit. While `busy` returns true, time does not
    /// count as idle.
    pub(super) async fn idle_for(&self, limit: Option<Duration>, busy: impl Fn() -> bool) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            if busy() {
                self.touch();
            }
            let idle = Duration::from_millis(self.now().saturating_sub(self.last.load(Relaxed)));
            match limit.checked_sub(idle).filter(|rest| !rest.is_zero()) {
                Some(rest) => sleep(rest).await,
                None => return,
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self { begin: Instant::now(), last: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests;
