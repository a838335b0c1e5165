//! Ending every wait at once: for a process that was told to stop.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::OnceLock,
};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Readable from the moment on that this process was interrupted. Without one, nothing could be told: then nothing is interrupted.
fn event() -> Option<&'static EventFd> {
    static EVENT: OnceLock<Option<EventFd>> = OnceLock::new();
    EVENT.get_or_init(|| EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok()).as_ref()
}

/// From now on nothing in this process waits for a program to be ready, or to come to its end by itself: who does gets
/// [`Error::Interrupted`](crate::Error::Interrupted). Taking labs down goes on as ever.
pub fn interrupt() {
    if let Some(event) = event() {
        // It can only fail when it has been written to 2^64 times.
        let _ = event.write(1);
    }
}

/// What to watch beside that which is waited for.
pub(crate) fn interrupted() -> Option<BorrowedFd<'static>> {
    event().map(AsFd::as_fd)
}
