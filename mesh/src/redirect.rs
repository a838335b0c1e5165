//! The redirect rules of a pod: loaded by `iptables-restore` and `ip6tables-restore` as text, and evaluated by the prediction.
//!
//! Rules and order are Istio's in REDIRECT mode (`tools/istio-iptables/pkg/capture/run.go`), and its goldens are claims
//! in the tests. They are for a fresh pod, and to be loaded with `--noflush`.

mod evaluate;
mod rule;
mod rules;

pub use evaluate::{Packet, Verdict};
pub use rule::{Chain, Match, Rule, Target, Test, Why};
pub use rules::Rules;

use crate::sidecar;

#[cfg(test)]
mod tests;

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

impl ProxyIdentity {
    /// What Istio uses: user and group 1337.
    pub const ISTIO: Self = Self::Owner { uid: sidecar::UID, gid: sidecar::GID };

    /// A test for each trait by which the sidecar's packets are told.
    fn tests(self) -> Vec<Test> {
        match self {
            Self::Owner { uid, gid } => vec![Test::User(uid), Test::Group(gid.to_string())],
            Self::Mark(mark) => vec![Test::Mark(mark)],
        }
    }
}
