//! Logging to standard error.
//!
//! Logging never fails: on a full disk or a closed pipe, messages are lost, but no connection, and not the process.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

#[cfg(test)]
mod tests;

/// Minimum interval of a warning that peers can cause, in milliseconds.
const PAUSE: u64 = 10_000;

/// Starts to log messages at this level, and more severe ones, on standard error.
pub fn start(level: LevelFilter) {
    // rustls warns about any invalid data from peers (such as a server name), including all of its bytes.
    let libraries = if level >= LevelFilter::DEBUG { level } else { level.min(LevelFilter::ERROR) };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // Failures to write are not reported, since that would print to standard error, too, and panic.
        .log_internal_errors(false)
        .with_filter(Targets::new().with_default(level).with_target("rustls", libraries));
    // Fails if the program has already set up logging, which is then used.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// Prints a final error message.
pub fn print_error(message: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Limits a warning that peers can cause at any rate to one in ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When it may be logged again, in milliseconds since the first call.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Seldom {
    /// A warning that has not been logged yet.
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// If the warning may be logged now: how often it was suppressed since the last time.
    pub(crate) fn due(&self) -> Option<u64> {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        self.due_at(u64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn due_at(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        // If two threads call this concurrently, only one gets it.
        if now < next || self.next.compare_exchange(next, now.saturating_add(PAUSE), Relaxed, Relaxed).is_err() {
            self.left_out.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Relaxed))
    }
}
