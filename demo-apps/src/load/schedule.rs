//! The start times of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::LoadArgs;

/// Open-loop requests that are due within this time of each other may be released together, which limits wake-ups.
const PACE: Duration = Duration::from_micros(50);

/// The requests to make, handed out one by one to free connections.
pub(super) struct Schedule {
    start: Instant,
    window: Instant,
    end: Option<Instant>,
    limit: Option<u64>,
    open_loop: Option<OpenLoop>,
    measured: AtomicU64,
    /// Set to end it early.
    stop: Arc<AtomicBool>,
}

/// A schedule that starts requests at a fixed rate, whether or not earlier ones are complete.
struct OpenLoop {
    rate: f64,
    /// Number of requests in the warm-up.
    warm_up: u64,
    /// Permits for requests that are due and not started.
    due: Semaphore,
    /// Number of the next request.
    next: AtomicU64,
}

/// One request to make.
pub(super) struct Slot {
    /// Scheduled start. Latency is measured from here.
    pub(super) intended: Instant,
    /// Whether it is after the warm-up.
    pub(super) measured: bool,
}

impl OpenLoop {
    fn time_of(&self, start: Instant, request: u64) -> Instant {
        start + Duration::from_secs_f64(request as f64 / self.rate)
    }

    /// How many requests are due within `passed` after the start.
    fn due_after(&self, passed: Duration) -> u64 {
        // Truncation is intended; the first request is due at once.
        (passed.as_secs_f64() * self.rate) as u64 + 1
    }
}

impl Schedule {
    /// Starts a schedule now, with the warm-up.
    pub(super) fn start(args: &LoadArgs, stop: Arc<AtomicBool>) -> Self {
        let start = Instant::now();
        let warm_up = args.warm_up.unwrap_or_default();
        let window = start + warm_up;
        Self {
            start,
            window,
            end: args.duration.map(|duration| window + duration),
            limit: args.requests,
            open_loop: args.rate.map(|rate| OpenLoop {
                rate,
                warm_up: (warm_up.as_secs_f64() * rate).ceil() as u64,
                due: Semaphore::new(0),
                next: AtomicU64::new(0),
            }),
            measured: AtomicU64::new(0),
            stop,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.end.is_some_and(|end| now >= end) || self.stop.load(Ordering::Relaxed)
    }

    /// Waits for the next request; `None` at the end of the schedule.
    pub(super) async fn next(&self) -> Option<Slot> {
        match &self.open_loop {
            Some(open_loop) => self.next_due(open_loop).await,
            None => self.next_at_once(),
        }
    }

    fn next_at_once(&self) -> Option<Slot> {
        let now = Instant::now();
        if self.is_over(now) {
            return None;
        }
        let measured = now >= self.window;
        if measured {
            let number = self.measured.fetch_add(1, Ordering::Relaxed);
            if self.limit.is_some_and(|limit| number >= limit) {
                return None;
            }
        }
        Some(Slot { intended: now, measured })
    }

    async fn next_due(&self, open_loop: &OpenLoop) -> Option<Slot> {
        open_loop.due.acquire().await.ok()?.forget();
        let number = open_loop.next.fetch_add(1, Ordering::Relaxed);
        if self.last(open_loop).is_some_and(|last| number >= last) {
            // Wakes the other waiting connections.
            open_loop.due.close();
            return None;
        }
        let measured = number >= open_loop.warm_up;
        if measured {
            self.measured.fetch_add(1, Ordering::Relaxed);
        }
        Some(Slot { intended: open_loop.time_of(self.start, number), measured })
    }

    /// Number of the last request of an open loop, if it is limited.
    fn last(&self, open_loop: &OpenLoop) -> Option<u64> {
        self.limit.map(|limit| open_loop.warm_up.saturating_add(limit))
    }

    /// Waits until the end of the warm-up, and returns that time.
    pub(super) fn wait_for_window(&self) -> Instant {
        sleep_until(self.window);
        Instant::now()
    }

    /// Releases the requests of an open loop when they are due, until the end of the schedule. Runs on a separate thread:
    /// the runtime's timers have millisecond resolution, and its threads have other work.
    pub(super) fn pace(&self) {
        let Some(open_loop) = &self.open_loop else { return };
        // Otherwise the kernel adds up to 50 us to each sleep. If this fails, latencies include that.
        let _ = nix::sys::prctl::set_timerslack(1);
        // One more than the last: the connection that gets it learns that the schedule has ended.
        let all = self.last(open_loop).map(|last| last + 1);
        let mut given = 0;
        while !open_loop.due.is_closed() && all.is_none_or(|all| given < all) {
            let now = Instant::now();
            if self.is_over(now) {
                open_loop.due.close();
                return;
            }
            let due = open_loop.due_after(now - self.start);
            let due = all.map_or(due, |all| due.min(all));
            open_loop.due.add_permits(usize::try_from(due - given).unwrap_or(0));
            given = due;
            let next = open_loop.time_of(self.start, given).max(now + PACE);
            sleep_until(self.end.map_or(next, |end| next.min(end)));
        }
    }

    /// In an open loop: requests of the measured window that were due but never started, once the schedule has ended.
    pub(super) fn not_started(&self) -> u64 {
        let (Some(open_loop), Some(end)) = (&self.open_loop, self.end) else { return 0 };
        let due = open_loop.due_after(end - self.start).saturating_sub(1).saturating_sub(open_loop.warm_up);
        let due = self.limit.map_or(due, |limit| due.min(limit));
        due.saturating_sub(self.measured.load(Ordering::Relaxed))
    }
}

/// Sleeps on this thread, which has nothing else to do.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
pub(super) fn sleep_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}
