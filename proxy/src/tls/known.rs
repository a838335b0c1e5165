//! Caching of verified certificate chains.
//!
//! A chain that was valid under some roots stays valid for as long as all of its certificates are: only the time has to be
//! checked again. In a mesh the same few peers connect repeatedly, and verifying a signature takes as long as making
//! two. The proof that the peer has the key is part of each handshake nevertheless.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustls::{
    Error,
    pki_types::{CertificateDer, UnixTime},
};

use super::PeerCertificate;
use crate::stats::Counter;

#[cfg(test)]
mod tests;

/// Maximum number of chains in a cache.
const REMEMBERED: usize = 256;

/// The chains that a verifier, with its roots, has verified.
#[derive(Debug)]
pub(super) struct KnownChains {
    /// Chains by leaf.
    chains: Mutex<HashMap<Box<[u8]>, Known>>,
    /// Counts cache hits.
    known: Counter,
}

#[derive(Debug)]
struct Known {
    intermediates: Vec<CertificateDer<'static>>,
    /// When all of its certificates are valid, in seconds since 1970.
    valid: RangeInclusive<i64>,
}

impl KnownChains {
    /// An empty cache; `known` counts its hits.
    pub(super) fn new(known: Counter) -> Self {
        Self { chains: Mutex::default(), known }
    }

    /// Verifies a chain, unless it was verified before and is still valid.
    ///
    /// # Errors
    /// The error of `verify`. Invalid chains are not cached.
    pub(super) fn verify_once(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        verify: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        if !self.has(leaf, intermediates, now) {
            verify()?;
            self.add(leaf, intermediates);
        }
        Ok(())
    }

    /// Whether a chain was verified before, and is still valid.
    fn has(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>], now: UnixTime) -> bool {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let chains = self.lock();
        let known = chains.get(leaf.as_ref());
        let good = known.is_some_and(|known| known.intermediates == intermediates && known.valid.contains(&now));
        if good {
            self.known.inc();
        }
        good
    }

    /// Adds a chain that was just verified.
    fn add(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let certificates = intermediates.iter().chain([leaf]);
        let Ok(facts) = certificates.map(|der| PeerCertificate::cached(der)).collect::<Result<Vec<_>, _>>() else {
            return;
        };
        let from = facts.iter().map(|facts| facts.not_before).max().unwrap_or(i64::MAX);
        let until = facts.iter().map(|facts| facts.not_after).min().unwrap_or(i64::MIN);
        let intermediates = intermediates.iter().map(|der| der.clone().into_owned()).collect();
        let mut chains = self.lock();
        if chains.len() >= REMEMBERED {
            chains.clear();
        }
        chains.insert(leaf.as_ref().into(), Known { intermediates, valid: from..=until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Known>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
