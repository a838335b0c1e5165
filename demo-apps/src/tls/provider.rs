//! The cryptography, and what of it is offered.

use std::sync::Arc;

use demo_args::TlsVersion;
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;

use crate::client::Group;

/// The crypto provider. Gathering entropy takes about 30 ms once per process: that is done here, so that it does not
/// affect the timings of a handshake.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // If this fails, so does the handshake, which reports it.
    let _ = provider.secure_random.fill(&mut [0]);
    Arc::new(provider)
}

/// Restricts the provider to one group, if given.
pub(super) fn offering(provider: Arc<CryptoProvider>, group: Option<Group>) -> Arc<CryptoProvider> {
    use rustls::crypto::aws_lc_rs::kx_group;
    let Some(group) = group else { return provider };
    let group = match group {
        Group::X25519 => kx_group::X25519,
        Group::X25519Mlkem768 => kx_group::X25519MLKEM768,
    };
    Arc::new(CryptoProvider { kx_groups: vec![group], ..Arc::unwrap_or_clone(provider) })
}

pub(super) fn versions(which: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    use rustls::version::{TLS12, TLS13};
    match which {
        TlsVersion::Tls12 => vec![&TLS12],
        TlsVersion::Tls13 => vec![&TLS13],
        TlsVersion::Both => vec![&TLS13, &TLS12],
    }
}
