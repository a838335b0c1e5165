//! How long a thread ran: what work costs, however many others want the processor.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The time that this thread runs while it does some work, the kernel's work for it included.
///
/// # Panics
/// Where the system has no such clock.
pub fn cpu<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = now();
    let done = work();
    (now() - before, done)
}

fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it").into()
}
