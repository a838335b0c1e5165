//! The one place with `unsafe`: system calls that no safe library offers.
#![allow(unsafe_code)]

use std::{io, os::fd::AsRawFd as _, os::fd::BorrowedFd};

use nix::{
    libc,
    sys::signal::{SigHandler, Signal, signal},
};

/// Sets an integer socket option by number, as Envoy's `SocketOption` names them.
///
/// # Errors
/// The operating system's.
pub(crate) fn set_socket_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads `size` bytes of `value`, which
    // lives on this stack.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives freed memory back to the system: after a configuration was read, that is a good part of what was used.
pub(crate) fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and glibc allows it at any time from any thread (`malloc_trim(3)`).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Makes a write beyond the limit on file sizes (`RLIMIT_FSIZE`) an error of that write, and not the end of the process.
///
/// # Errors
/// The operating system's.
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    // SAFETY: no handler is installed that could run in the middle of anything: the signal is ignored.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.map(drop).map_err(Into::into)
}
