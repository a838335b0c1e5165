//! The redirect rules of a pod: the text that `iptables-restore` and `ip6tables-restore` load.

use crate::model::{Capture, Family};

/// How a sidecar's own packets are told from the app's, so that they are not sent back to the sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyIdentity {
    /// By the user and group that own the socket, as Istio does it.
    Owner {
        /// The user, 1337 in Istio.
        uid: u32,
        /// The group, 1337 in Istio.
        gid: u32,
    },
    /// By a mark (`SO_MARK`) on the sidecar's upstream sockets: for a user namespace, in which no uid but the caller's
    /// is mapped, and `--uid-owner 1337` is refused (`EINVAL`).
    Mark(u32),
}

/// Istio's rules for a pod, in Istio's order.
pub fn redirect_rules(_capture: &Capture, _identity: &ProxyIdentity, _family: Family) -> String {
    String::new()
}
