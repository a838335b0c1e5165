//! Chains of certificates that were verified before.
//!
//! A chain that was good under some roots is good under them for as long as all of its certificates are valid: only the
//! time has to be looked at again. In a mesh the same few peers come with each connection, and checking a signature takes as
//! long as making two. That the peer has the key is proved in each handshake all the same.

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

/// How many chains a verifier remembers.
const REMEMBERED: usize = 256;

/// The chains that one verifier, with its roots, has found good.
#[derive(Debug)]
pub(super) struct KnownChains {
    /// By leaf.
    chains: Mutex<HashMap<Box<[u8]>, Known>>,
    /// How often a chain was known already.
    known: Counter,
}

#[derive(Debug)]
struct Known {
    intermediates: Vec<CertificateDer<'static>>,
    /// When all of its certificates are valid, in seconds since 1970.
    valid: RangeInclusive<i64>,
}

impl KnownChains {
    /// None yet; `known` counts those that come again.
    pub(super) fn new(known: Counter) -> Self {
        Self { chains: Mutex::default(), known }
    }

    /// Verifies a chain, unless it was verified before and is valid now.
    ///
    /// # Errors
    /// What `verify` finds; a chain that it finds bad is not remembered.
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

    /// Whether a chain was verified before, and is valid now.
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

    /// Remembers a chain that was just verified.
    fn add(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let certificates = intermediates.iter().chain([leaf]);
        let Ok(facts) = certificates.map(|der| PeerCertificate::of(der)).collect::<Result<Vec<_>, _>>() else { return };
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
