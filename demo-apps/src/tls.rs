//! TLS of the programs, with rustls and aws-lc-rs.

mod certificate;
mod client;
mod files;
mod server;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, CommonState, NamedGroup, ProtocolVersion, SupportedProtocolVersion};

pub(crate) use certificate::facts_of;
pub(crate) use client::ClientTls;
#[cfg(test)]
pub(crate) use files::certificates;
pub(crate) use server::{Identity, ServerTlsSetup, facts_of_session};

use crate::client::{Group, TlsVersion};

/// The crypto provider. Gathering entropy takes about 30 ms once per process: that is done here, so that it does not
/// affect the timings of a handshake.
fn provider() -> Arc<CryptoProvider> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // If this fails, so does the handshake, which reports it.
    let _ = provider.secure_random.fill(&mut [0]);
    Arc::new(provider)
}

/// Restricts the provider to one group, if given.
fn offering(provider: Arc<CryptoProvider>, group: Option<Group>) -> Arc<CryptoProvider> {
    use rustls::crypto::aws_lc_rs::kx_group;
    let Some(group) = group else { return provider };
    let group = match group {
        Group::X25519 => kx_group::X25519,
        Group::X25519Mlkem768 => kx_group::X25519MLKEM768,
    };
    Arc::new(CryptoProvider { kx_groups: vec![group], ..Arc::unwrap_or_clone(provider) })
}

fn versions(which: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    use rustls::version::{TLS12, TLS13};
    match which {
        TlsVersion::Tls12 => vec![&TLS12],
        TlsVersion::Tls13 => vec![&TLS13],
        TlsVersion::Both => vec![&TLS13, &TLS12],
    }
}

/// Negotiated parameters.
pub(crate) struct Session {
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) alpn: Option<Vec<u8>>,
}

impl Session {
    /// The parameters of a complete handshake.
    pub(crate) fn of(state: &CommonState) -> Self {
        Self {
            version: state.protocol_version(),
            suite: state.negotiated_cipher_suite().map(|suite| suite.suite()),
            group: state.negotiated_key_exchange_group().map(SupportedKxGroup::name),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
        }
    }

    /// The version as written by Envoy and OpenSSL: `TLSv1.3`.
    pub(crate) fn version_name(&self) -> Option<String> {
        self.version.map(|version| match version {
            ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
            other => format!("{other:?}"),
        })
    }

    /// IANA name of the suite. rustls' names differ from it only in TLS 1.3.
    pub(crate) fn suite_name(&self) -> Option<String> {
        self.suite.map(|suite| format!("{suite:?}").replacen("TLS13_", "TLS_", 1))
    }

    pub(crate) fn group_name(&self) -> Option<String> {
        self.group.map(|group| format!("{group:?}"))
    }

    pub(crate) fn alpn_name(&self) -> Option<String> {
        self.alpn.as_deref().map(|alpn| String::from_utf8_lossy(alpn).into_owned())
    }
}
