//! Interrupting all waits of this process at once.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::OnceLock,
};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Becomes readable when this process is interrupted. `None` if it could not be created; then no wait is interrupted.
fn event() -> Option<&'static EventFd> {
    static EVENT: OnceLock<Option<EventFd>> = OnceLock::new();
    EVENT.get_or_init(|| EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).ok()).as_ref()
}

/// Makes every wait for a program to become ready or to exit return [`Error::Interrupted`](crate::Error::Interrupted), now and from
/// now on. Removing labs still works.
pub fn interrupt() {
    if let Some(event) = event() {
        // Fails only after 2^64 writes.
        let _ = event.write(1);
    }
}

/// A descriptor to poll together with the one that is waited for.
pub(crate) fn interrupted() -> Option<BorrowedFd<'static>> {
    event().map(AsFd::as_fd)
}
