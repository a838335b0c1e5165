//! What the program says on standard error.
//!
//! Saying it never fails: a full disk or a pipe that nobody reads costs the words, never a connection or the process.

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

/// How often a warning that strangers can cause is repeated at most, in milliseconds.
const PAUSE: u64 = 10_000;

/// Begins to log what is at that level, or above it, on standard error.
pub fn start(level: LevelFilter) {
    // rustls warns of whatever a stranger sends (a server name that is none), with all of its bytes.
    let libraries = if level >= LevelFilter::DEBUG { level } else { level.min(LevelFilter::ERROR) };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // What can't be written is not reported either: that is written to standard error too, and panics.
        .log_internal_errors(false)
        .with_filter(Targets::new().with_default(level).with_target("rustls", libraries));
    // Fails where somebody else logs already, which then goes on.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

/// Prints a last word.
pub fn say(words: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{words}");
}

/// A warning that strangers can cause as often as they like. It is due at most once in ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Seldom {
    /// When it may come again, in milliseconds after the first question.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Seldom {
    /// One that never came yet.
    pub(crate) const fn new() -> Self {
        Self { next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }

    /// Whether it is due: then how often it was left out since it last came.
    pub(crate) fn due(&self) -> Option<u64> {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        self.due_at(u64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn due_at(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Relaxed);
        // Of two threads that ask at once, one gets it.
        if now < next || self.next.compare_exchange(next, now.saturating_add(PAUSE), Relaxed, Relaxed).is_err() {
            self.left_out.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Relaxed))
    }
}
