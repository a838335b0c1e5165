//! Checks before a bench that this machine can run it.

use std::{thread, time::Duration};

use anyhow::{Context, Result};
use thiserror::Error;

use demo_apps::program::raise_file_limit;

use super::cell::QUIET;
use crate::usage;

/// File descriptors that a program needs besides those of idle connections.
const OTHER_FILES: u64 = 512;

/// Memory of a lab in bytes, roughly: its sidecars and apps, at rest and under load.
const LAB: u64 = 400 << 20;

/// Memory of an idle connection in bytes, roughly: in all processes on its path, and in the kernel.
const CONNECTION: u64 = 160 << 10;

/// How long the machine is observed.
const WATCHED: Duration = Duration::from_millis(500);

/// This machine can't run the bench.
#[derive(Debug, Error)]
pub(super) enum NotUpToIt {
    /// Too few file descriptors.
    #[error(
        "{connections} idle connections need {needed} file descriptors in a sidecar, and the limit of a process is {allowed}: \
         raise the hard limit (`ulimit -Hn {needed}`, as root), or hold fewer: --idle 0,{fewer}"
    )]
    Files {
        /// The requested number of connections.
        connections: u32,
        /// The necessary number of descriptors.
        needed: u64,
        allowed: u64,
        /// The number of connections that fit.
        fewer: u64,
    },
    #[error(
        "this bench needs about {needed} MiB of memory, and {available} MiB are available: end something, or hold fewer \
         idle connections (--idle 0,1000), or measure fewer data planes at once"
    )]
    Memory {
        /// In MiB.
        needed: u64,
        /// In MiB.
        available: u64,
    },
}

/// Prepares for a bench with this many concurrent labs and idle connections, and returns warnings about disturbances.
/// Raises the soft limit of open files to the hard limit.
///
/// # Errors
/// [`NotUpToIt`].
pub(super) fn check(connections: u32, labs: usize) -> Result<Vec<String>> {
    let allowed = raise_file_limit().context("can't raise the limit of file descriptors")?;
    files(connections, allowed)?;
    // An unreadable value is not known to be too small.
    memory(connections, labs, usage::memory("MemAvailable:").unwrap_or(u64::MAX))?;
    let foreign = foreign();
    let disturbed = foreign > QUIET;
    let warning = format!("other programs use {foreign:.2} of a CPU: figures will be too high, and intervals wide");
    Ok(disturbed.then_some(warning).into_iter().collect())
}

/// A sidecar has two descriptors for each connection.
fn files(connections: u32, allowed: u64) -> Result<(), NotUpToIt> {
    let needed = 2 * u64::from(connections) + OTHER_FILES;
    let fewer = allowed.saturating_sub(OTHER_FILES) / 2;
    if needed > allowed { Err(NotUpToIt::Files { connections, needed, allowed, fewer }) } else { Ok(()) }
}

/// One more lab, since idle connections are measured in separate labs.
fn memory(connections: u32, labs: usize, available: u64) -> Result<(), NotUpToIt> {
    let needed = (labs as u64 + 1) * LAB + u64::from(connections) * CONNECTION;
    let in_mib = |bytes: u64| bytes >> 20;
    if needed > available {
        return Err(NotUpToIt::Memory { needed: in_mib(needed), available: in_mib(available) });
    }
    Ok(())
}

/// CPUs that others use.
#[expect(clippy::disallowed_methods, reason = "the passing time is what is observed")]
fn foreign() -> f64 {
    let own = || usage::cpu_time(std::process::id());
    let (before, own_before) = (usage::Machine::now(), own());
    thread::sleep(WATCHED);
    let ours = own().saturating_sub(own_before);
    usage::Machine::now().since(before).saturating_sub(ours).as_secs_f64() / WATCHED.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_file_descriptors_are_reported_with_what_would_fit() {
        assert!(files(1000, 4096).is_ok());
        let message = files(5000, 4096).unwrap_err().to_string();
        assert!(message.contains("need 10512 file descriptors") && message.ends_with("--idle 0,1792"), "{message}");
        assert!(files(1792, 4096).is_ok());
    }

    #[test]
    fn too_little_memory_is_reported_in_mib() {
        assert!(memory(1000, 1, 2 << 30).is_ok());
        let message = memory(5000, 2, 1 << 30).unwrap_err().to_string();
        assert!(message.contains("about 1981 MiB") && message.contains("1024 MiB are available"), "{message}");
    }
}
