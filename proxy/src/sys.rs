//! The crate's only `unsafe` code: system calls that no safe library offers.
#![allow(unsafe_code)]

use std::{io, os::fd::AsRawFd as _, os::fd::BorrowedFd};

use nix::{
    libc,
    sys::signal::{SigHandler, Signal, signal},
};

/// Sets an integer socket option by number, like Envoy's `SocketOption`.
///
/// # Errors
/// The error of the operating system.
pub(crate) fn set_socket_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads `size` bytes of `value`, which
    // lives on this stack.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns freed memory to the system, which is much of it after loading a configuration.
pub(crate) fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and glibc allows it at any time from any thread (`malloc_trim(3)`).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Makes writes beyond the file size limit (`RLIMIT_FSIZE`) fail, instead of terminating the process.
///
/// # Errors
/// The error of the operating system.
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    // SAFETY: the signal is ignored, so no handler is installed.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.map(drop).map_err(Into::into)
}
