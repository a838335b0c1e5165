//! Signals that end the program: it stops early and in order, and leaves nothing behind.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use nix::poll::PollTimeout;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::terminal::noteln;

/// The exit code of an interrupted program: 128 + SIGINT, as in shells.
const CODE: i32 = 130;

/// Set by the first signal. Whatever creates a lab then removes it at its next step.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Set while something has to be completed: see [`hold`].
static HELD: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C ends the work early and in order, and so do SIGTERM, SIGQUIT and SIGHUP, which a lost ssh session sends. A second
/// Ctrl-C ends the program at once, and the next `sidelab down --all` removes what is left. A closing terminal can send SIGHUP twice.
///
/// # Errors
/// If the signals can't be handled.
pub fn interruptible() -> Result<&'static AtomicBool> {
    let mut signals = signals()?;
    let handle = move || {
        for signal in signals.forever() {
            if INTERRUPTED.swap(true, Ordering::SeqCst) && signal == SIGINT {
                std::process::exit(CODE);
            }
            if HELD.load(Ordering::SeqCst) {
                noteln!("completing the change first; Ctrl-C again ends at once, and leaves it half done");
            } else {
                netns::interrupt();
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(handle).context("can't handle Ctrl-C")?;
    Ok(&INTERRUPTED)
}

/// From now on a first signal no longer ends the work early, since what has begun has to be completed.
pub(crate) fn hold() {
    HELD.store(true, Ordering::SeqCst);
}

/// Whether a signal came: whatever only waits can stop waiting.
pub fn is_asked() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Waits before another look at something that does not report its changes, such as a sidecar's counters. A signal ends it early.
pub(crate) fn pause(time: Duration) {
    let _ = nix::poll::poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
}

/// Waits for one of these signals, which have no other effect once it exists.
pub(crate) struct UntilInterrupted(Signals);

impl UntilInterrupted {
    pub(crate) fn new() -> Result<Self> {
        signals().map(Self)
    }

    /// Waits for the first signal.
    pub(crate) fn wait(mut self) {
        self.0.forever().next();
    }
}

fn signals() -> Result<Signals> {
    let mut ending = vec![SIGINT, SIGTERM, SIGQUIT];
    // Under nohup, a closing terminal must not end the program.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !is_ignored(&status, SIGHUP) {
        ending.push(SIGHUP);
    }
    Signals::new(ending).context("can't handle Ctrl-C")
}

/// Whether a process ignores a signal, according to its `/proc/PID/status` (proc_pid_status(5)).
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_from_the_start_stays_so() {
        let status = "Name:\tsidelab\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT));
        assert!(!is_ignored("", SIGHUP));
    }
}
