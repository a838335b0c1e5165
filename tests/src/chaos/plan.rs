//! What is disturbed, and when: the same for the same seed.

use std::{collections::VecDeque, fmt, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// A disturbance of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// New certificates for all sidecars.
    Rotate,
    /// The mesh takes mutual TLS only.
    Strict,
    /// The mesh takes plaintext, too.
    Permissive,
    /// All clusters of the servers change.
    Clusters,
    /// A service, and so a listener and clusters of every sidecar, come or go.
    Listeners,
    /// The filter chains of one server change, and the old ones drain.
    Chains,
    /// The file system of the sidecars' logs is full for this time.
    Disk(Duration),
    /// A sidecar can open no more descriptors for this time.
    Descriptors(Sidecar, Duration),
    /// A sidecar is stopped for this time, and goes on.
    Stop(Sidecar, Duration),
    /// No packet passes between the client and the server for this time.
    Cut(Duration),
    /// A sidecar is killed, and its pod replaced.
    Kill,
}

/// A sidecar that is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sidecar {
    Client,
    Server,
}

impl Sidecar {
    pub(super) fn pod(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate => f.write_str("certificates replaced"),
            Self::Strict => f.write_str("STRICT"),
            Self::Permissive => f.write_str("PERMISSIVE"),
            Self::Clusters => f.write_str("clusters swapped"),
            Self::Listeners => f.write_str("a listener added or removed"),
            Self::Chains => f.write_str("filter chains swapped"),
            Self::Disk(time) => write!(f, "the disk is full for {time:?}"),
            Self::Descriptors(sidecar, time) => write!(f, "{} is out of descriptors for {time:?}", sidecar.pod()),
            Self::Stop(sidecar, time) => write!(f, "{} is stopped for {time:?}", sidecar.pod()),
            Self::Cut(time) => write!(f, "the link is cut for {time:?}"),
            Self::Kill => f.write_str("a sidecar is killed"),
        }
    }
}

impl Disturbance {
    /// Whether Envoy goes on (seen with 1.40). Without descriptors it ends: it asserts that sockets can be made
    /// (`source/common/network/socket_interface_impl.cc`). It also ends if a certificate is replaced that connections of a
    /// cluster use which was replaced before.
    pub(super) fn envoy_survives(self) -> bool {
        !matches!(self, Self::Descriptors(..) | Self::Clusters)
    }

    /// For counting.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Rotate => "certificates replaced",
            Self::Strict | Self::Permissive => "STRICT toggled",
            Self::Clusters => "clusters swapped",
            Self::Listeners => "listeners added or removed",
            Self::Chains => "filter chains swapped",
            Self::Disk(_) => "disk full",
            Self::Descriptors(..) => "descriptors exhausted",
            Self::Stop(..) => "sidecar stopped",
            Self::Cut(_) => "link cut",
            Self::Kill => "sidecar killed",
        }
    }
}

/// Disturbances without an end: in each round every kind once, in a random order, and new certificates every fourth time.
pub(super) struct Plan {
    random: StdRng,
    round: VecDeque<Disturbance>,
    given: usize,
    is_strict: bool,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), round: VecDeque::new(), given: 0, is_strict: false }
    }

    fn new_round(&mut self) -> VecDeque<Disturbance> {
        let mut time = || Duration::from_millis(self.random.random_range(200..1500));
        let mut round = vec![
            // Replaced by the mode that is not in force.
            Disturbance::Strict,
            Disturbance::Clusters,
            Disturbance::Listeners,
            Disturbance::Chains,
            Disturbance::Disk(time()),
            Disturbance::Descriptors(Sidecar::Client, time()),
            Disturbance::Descriptors(Sidecar::Server, time()),
            Disturbance::Stop(Sidecar::Client, time()),
            Disturbance::Stop(Sidecar::Server, time()),
            Disturbance::Cut(time()),
            Disturbance::Kill,
        ];
        round.shuffle(&mut self.random);
        round.into()
    }
}

impl Iterator for Plan {
    type Item = Disturbance;

    fn next(&mut self) -> Option<Disturbance> {
        self.given += 1;
        if self.given % 4 == 1 {
            return Some(Disturbance::Rotate);
        }
        if self.round.is_empty() {
            self.round = self.new_round();
        }
        let next = self.round.pop_front()?;
        if next != Disturbance::Strict {
            return Some(next);
        }
        self.is_strict = !self.is_strict;
        Some(if self.is_strict { Disturbance::Strict } else { Disturbance::Permissive })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_disturbances_and_another_one_others() {
        let of = |seed| Plan::new(seed).take(50).collect::<Vec<_>>();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn every_kind_comes_in_the_first_minute() {
        let minute: Vec<_> = Plan::new(3).take(24).collect();
        let kinds: BTreeSet<&str> = minute.iter().map(|one| one.kind()).collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
        assert_eq!(minute.iter().filter(|one| **one == Disturbance::Rotate).count(), 6, "every ten seconds");
    }

    #[test]
    fn strict_and_permissive_alternate() {
        let modes = Plan::new(5).filter(|one| matches!(one, Disturbance::Strict | Disturbance::Permissive));
        let modes: Vec<_> = modes.take(4).collect();
        assert_eq!(modes, [Disturbance::Strict, Disturbance::Permissive].repeat(2));
    }
}
