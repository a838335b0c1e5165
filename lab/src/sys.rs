//! System calls that need `unsafe`.
#![allow(unsafe_code, reason = "this is the crate's only file with unsafe code; each block states why it is sound")]

use nix::{
    sys::signal::{SigHandler, Signal},
    unistd::{ForkResult, Pid},
};

/// Splits this process in two: `Some` with the child's pid in the parent, `None` in the child.
///
/// # Errors
/// If the kernel can't, or this process has several threads: a child would have only the calling one, and locks of the others would
/// stay taken.
pub(crate) fn fork() -> nix::Result<Option<Pid>> {
    if threads() != 1 {
        return Err(nix::errno::Errno::EBUSY);
    }
    // SAFETY: this process has a single thread, so the child's memory is in no other thread's hands.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Lets a signal end this process, even if it was ignored when the process started.
///
/// # Errors
/// If the kernel can't.
pub(crate) fn end_by(signal: Signal) -> nix::Result<()> {
    // SAFETY: sets the default disposition, so no handler of this process runs.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.map(drop)
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(usize::MAX, Iterator::count)
}
