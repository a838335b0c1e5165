//! What the sockets have in common that the kernel fills.

use std::os::fd::AsFd;

use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
};

/// Lets the kernel hold so many bytes for a socket until they are read; in a user namespace as many as the host allows everybody
/// (net.core.rmem_max).
pub(crate) fn hold(socket: &impl AsFd, bytes: usize) -> nix::Result<()> {
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Err(Errno::EPERM) => setsockopt(socket, sockopt::RcvBuf, &bytes),
        // As much as there is then.
        _ => Ok(()),
    }
}
