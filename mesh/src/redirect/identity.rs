//! How redirects recognize a sidecar's own packets.

use super::rule::Test;
use crate::sidecar;

/// How a sidecar's own packets are recognized, so that they are not sent back to the sidecar.
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

impl ProxyIdentity {
    /// What Istio uses: user and group 1337.
    pub const ISTIO: Self = Self::Owner { uid: sidecar::UID, gid: sidecar::GID };

    /// The tests that recognize the sidecar's packets, any of which suffices.
    pub(super) fn tests(self) -> Vec<Test> {
        match self {
            Self::Owner { uid, gid } => vec![Test::User(uid), Test::Group(gid.to_string())],
            Self::Mark(mark) => vec![Test::Mark(mark)],
        }
    }
}
