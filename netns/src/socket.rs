//! Receive buffers of sockets.

use std::os::fd::AsFd;

use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
};

/// Sets a socket's receive buffer to `bytes`, in a user namespace at most to what the host allows everybody
/// (net.core.rmem_max).
pub(crate) fn hold(socket: &impl AsFd, bytes: usize) -> nix::Result<()> {
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Err(Errno::EPERM) => setsockopt(socket, sockopt::RcvBuf, &bytes),
        // As much as there is then.
        _ => Ok(()),
    }
}
