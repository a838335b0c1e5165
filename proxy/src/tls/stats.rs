//! Statistics of handshakes, as in Envoy (`source/common/tls/stats.h`).

use std::io;

use rustls::Error;

use super::verify::SanMismatch;
use crate::{
    stats::{Counter, Scope, ScopedStats, Stats},
    stream_info::TlsInfo,
};

/// Statistics of contexts, for the whole proxy.
#[derive(Clone, Debug, Default)]
pub struct ContextStats {
    /// Number of contexts built: one for each rotation, not for each connection.
    pub(super) built: Counter,
    /// Number of peers' chains that had been verified before.
    pub(super) known_chains: Counter,
}

impl ContextStats {
    /// Registers `sidelab.tls_contexts_built` and `sidelab.tls_known_chains`.
    pub fn new(stats: &Stats) -> Self {
        let root = stats.scope(Scope::Root);
        Self {
            built: root.counter("sidelab.tls_contexts_built"),
            known_chains: root.counter("sidelab.tls_known_chains"),
        }
    }
}

/// Handshake statistics of a listener or cluster.
#[derive(Debug)]
pub struct TlsStats {
    handshake: Counter,
    session_reused: Counter,
    no_certificate: Counter,
    connection_error: Counter,
    fail_verify_no_cert: Counter,
    fail_verify_error: Counter,
    fail_verify_san: Counter,
}

impl TlsStats {
    /// Registers `ssl.handshake` and so on in a scope.
    pub fn new(scope: &ScopedStats) -> Self {
        let counter = |name| scope.counter(&format!("ssl.{name}"));
        Self {
            handshake: counter("handshake"),
            session_reused: counter("session_reused"),
            no_certificate: counter("no_certificate"),
            connection_error: counter("connection_error"),
            fail_verify_no_cert: counter("fail_verify_no_cert"),
            fail_verify_error: counter("fail_verify_error"),
            fail_verify_san: counter("fail_verify_san"),
        }
    }

    pub fn count(&self, handshake: Result<&TlsInfo, &io::Error>) {
        let error = match handshake {
            Ok(info) => {
                self.handshake.inc();
                if info.resumed {
                    self.session_reused.inc();
                }
                if info.peer.is_none() {
                    self.no_certificate.inc();
                }
                return;
            }
            Err(error) => error,
        };
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::NoCertificatesPresented) => self.fail_verify_no_cert.inc(),
            Some(Error::InvalidCertificate(rustls::CertificateError::Other(other))) if other.0.is::<SanMismatch>() => {
                self.fail_verify_san.inc();
            }
            Some(Error::InvalidCertificate(_)) => self.fail_verify_error.inc(),
            // The peer closed the connection, which Envoy does not count as a TLS error.
            None if error.kind() == io::ErrorKind::ConnectionReset || super::reason(error).is_empty() => {}
            _ => self.connection_error.inc(),
        }
    }
}
