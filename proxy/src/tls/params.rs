//! Versions, cipher suites and groups, by Envoy's names.

use std::sync::{Arc, LazyLock};

use envoy_api::{TlsParameters, TlsProtocol};
use rustls::{
    CipherSuite, NamedGroup, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, cipher_suite as suite, kx_group},
    },
    version::{TLS12, TLS13},
};

use crate::config::Fault;

#[cfg(test)]
mod tests;

/// TLS 1.3 suites, in the order in which BoringSSL offers them with AES instructions. They can't be configured.
const TLS13_SUITES: [SupportedCipherSuite; 3] =
    [suite::TLS13_AES_128_GCM_SHA256, suite::TLS13_AES_256_GCM_SHA384, suite::TLS13_CHACHA20_POLY1305_SHA256];

/// TLS 1.2 suites with OpenSSL's names, in the order of Envoy's default.
const TLS12_SUITES: [(&str, SupportedCipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// Suites that are used by Envoy and Istio but not supported by rustls (no forward secrecy). They are silently omitted, since
/// peers that support nothing else are not expected.
const KNOWN_AND_ABSENT: [&str; 2] = ["AES256-GCM-SHA384", "AES128-GCM-SHA256"];

/// Groups with their names in `ecdh_curves`. Without P-384, they are Envoy's default, in its order.
const GROUPS: [(&str, NamedGroup, &dyn SupportedKxGroup); 4] = [
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768, kx_group::X25519MLKEM768),
    ("X25519", NamedGroup::X25519, kx_group::X25519),
    ("P-256", NamedGroup::secp256r1, kx_group::SECP256R1),
    ("P-384", NamedGroup::secp384r1, kx_group::SECP384R1),
];

/// Signature schemes of handshakes: BoringSSL's default (`ssl/extensions.cc`, `kVerifySignatureAlgorithms`), in its order.
/// P-521 and Ed25519 are not included.
const SCHEMES: [SignatureScheme; 8] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The signature algorithms that are verified: [`SCHEMES`] in handshakes, all available ones in certificates.
static SIGNATURES: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let WebPkiSupportedAlgorithms { all, mapping } = aws_lc_rs::default_provider().signature_verification_algorithms;
    let known = SCHEMES.iter().filter_map(|scheme| mapping.iter().find(|(known, _)| known == scheme));
    WebPkiSupportedAlgorithms { all, mapping: Vec::leak(known.copied().collect()) }
});

/// The side of a context, which determines its default versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// The crypto provider for these parameters.
pub(super) fn provider(params: &TlsParameters) -> Result<Arc<CryptoProvider>, Fault> {
    let mut cipher_suites = TLS13_SUITES.to_vec();
    if params.cipher_suites.is_empty() {
        cipher_suites.extend(TLS12_SUITES.iter().map(|(_, suite)| *suite));
    }
    for name in &params.cipher_suites {
        match TLS12_SUITES.iter().find(|(known, _)| known == name) {
            Some((_, suite)) => cipher_suites.push(*suite),
            None if KNOWN_AND_ABSENT.contains(&name.as_str()) => {}
            None => return Err(unsupported("cipher suite", name, TLS12_SUITES.iter().map(|(known, _)| *known))),
        }
    }
    let kx_groups = if params.ecdh_curves.is_empty() {
        GROUPS[..3].iter().map(|(_, _, group)| *group).collect()
    } else {
        params.ecdh_curves.iter().map(|name| group(name)).collect::<Result<_, _>>()?
    };
    let signature_verification_algorithms = *SIGNATURES;
    let default = aws_lc_rs::default_provider();
    let provider = CryptoProvider { cipher_suites, kx_groups, signature_verification_algorithms, ..default };
    // Gathering entropy takes about 30 ms once per process. Doing it here keeps it out of handshakes, which report
    // a failure.
    let _ = provider.secure_random.fill(&mut [0]);
    Ok(Arc::new(provider))
}

fn unsupported<'a>(kind: &'static str, name: &str, supported: impl Iterator<Item = &'a str>) -> Fault {
    Fault::Unsupported { kind, name: name.to_owned(), supported: supported.collect::<Vec<_>>().join(", ") }
}

fn group(name: &str) -> Result<&'static dyn SupportedKxGroup, Fault> {
    let found = GROUPS.iter().find(|(known, ..)| *known == name).map(|(_, _, group)| *group);
    found.ok_or_else(|| unsupported("group", name, GROUPS.iter().map(|(known, ..)| *known)))
}

/// The versions for these parameters: by default 1.2 and 1.3 as a server and only 1.2 as a client, as in Envoy.
pub(super) fn versions(params: &TlsParameters, side: Side) -> Result<Vec<&'static SupportedProtocolVersion>, Fault> {
    let number = |protocol, default| match protocol {
        None | Some(TlsProtocol::Auto) => default,
        Some(TlsProtocol::V1_2) => 2,
        Some(TlsProtocol::V1_3) => 3,
    };
    let lowest = number(params.tls_minimum_protocol_version, 2);
    let highest = number(params.tls_maximum_protocol_version, if side == Side::Server { 3 } else { 2 });
    match (lowest, highest) {
        (2, 2) => Ok(vec![&TLS12]),
        (2, 3) => Ok(vec![&TLS13, &TLS12]),
        (3, 3) => Ok(vec![&TLS13]),
        _ => Err("the lowest version is above the highest: set tls_maximum_protocol_version to TLSv1_3".into()),
    }
}

/// OpenSSL's name of a suite, which Envoy logs.
pub(super) fn openssl_name(suite: CipherSuite) -> &'static str {
    TLS12_SUITES
        .iter()
        .find(|(_, known)| known.suite() == suite)
        .map(|(name, _)| *name)
        .unwrap_or_else(|| suite.as_str().map_or("", |name| name.strip_prefix("TLS13_").map_or(name, tls13_name)))
}

/// IANA name of a TLS 1.3 suite, which starts with `TLS_` where rustls has `TLS13_`.
fn tls13_name(rest: &'static str) -> &'static str {
    match rest {
        "AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        other => other,
    }
}

/// Name of a group in `ecdh_curves`.
pub(super) fn group_name(group: NamedGroup) -> Option<&'static str> {
    GROUPS.iter().find(|(_, known, _)| *known == group).map(|(name, ..)| *name)
}
