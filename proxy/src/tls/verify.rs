//! Verifying the peer's certificate according to a `CertificateValidationContext`.

use std::{fmt, net::Ipv4Addr, sync::Arc};

use envoy_api::{CertificateValidationContext, SanType, StringPattern, SubjectAltNameMatcher};
use envoy_rules::string_match::{matches, san_matchers};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use thiserror::Error as ThisError;

use super::{
    PeerCertificate,
    chain::{Peer, handshake_signature},
    known::KnownChains,
    roots::{Roots, roots},
};
use crate::{
    config::{At as _, Invalid},
    stats::Counter,
};

#[cfg(test)]
mod tests;

/// No SAN of the peer's certificate matches. Envoy counts it as `ssl.fail_verify_san`.
#[derive(Debug, ThisError)]
#[error("SAN matcher, certificate SANs are [{}]", .0.join(", "))]
pub(super) struct SanMismatch(pub(super) Vec<String>);

/// A placeholder for rustls if there is no name: an IP address is never sent as SNI, and this one is never connected to.
pub(super) const NO_NAME: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// The names that a peer may have.
#[derive(Debug)]
struct Names {
    /// One of these must match; everything matches if empty.
    matchers: Vec<SubjectAltNameMatcher>,
    /// Whether the certificate must also be for the name that the connection was opened to, if there is one.
    auto: bool,
}

impl Names {
    fn check(&self, leaf: &CertificateDer<'_>, server_name: Option<&ServerName<'_>>) -> Result<(), Error> {
        if self.matchers.is_empty() && !self.auto {
            return Ok(());
        }
        let peer = PeerCertificate::cached(leaf).map_err(|_| Error::from(CertificateError::BadEncoding))?;
        let listed = self.matchers.is_empty() || self.matchers.iter().any(|matcher| has_name(&peer, matcher));
        let name = server_name.filter(|name| **name != ServerName::from(NO_NAME));
        let named = !self.auto || name.is_none_or(|name| is_for(&peer, name));
        if listed && named {
            return Ok(());
        }
        let sans = [&peer.dns_sans[..], &peer.uri_sans, &peer.ip_sans, &peer.email_sans].concat();
        Err(CertificateError::Other(OtherError(Arc::new(SanMismatch(sans)))).into())
    }
}

fn has_name(peer: &PeerCertificate, matcher: &SubjectAltNameMatcher) -> bool {
    let sans = match matcher.san_type {
        SanType::Email => &peer.email_sans,
        SanType::Dns => &peer.dns_sans,
        SanType::Uri => &peer.uri_sans,
        SanType::IpAddress => &peer.ip_sans,
    };
    let wildcard = |san: &String| match (matcher.san_type, &matcher.matcher.pattern) {
        (SanType::Dns, StringPattern::Exact(name)) => covers(san, name),
        _ => false,
    };
    sans.iter().any(|san| matches(&matcher.matcher, san) || wildcard(san))
}

fn is_for(peer: &PeerCertificate, name: &ServerName<'_>) -> bool {
    match name {
        ServerName::DnsName(name) => peer.dns_sans.iter().any(|san| covers(san, name.as_ref())),
        ServerName::IpAddress(ip) => peer.ip_sans.contains(&std::net::IpAddr::from(*ip).to_string()),
        _ => false,
    }
}

/// Whether a DNS SAN is equal to a name, or a wildcard for its first label.
fn covers(san: &str, name: &str) -> bool {
    san.eq_ignore_ascii_case(name)
        || matches!((san.strip_prefix("*."), name.split_once('.')),
            (Some(suffix), Some((_, parent))) if suffix.eq_ignore_ascii_case(parent))
}

/// A verifier of servers' certificates. The name that was connected to is only checked with `auto_san`: Envoy checks
/// the listed names, and nothing more.
pub(super) fn server_verifier(
    context: &CertificateValidationContext,
    auto_san: bool,
    provider: &CryptoProvider,
    known: Counter,
) -> Result<Arc<dyn ServerCertVerifier>, Invalid> {
    Ok(Arc::new(OfServers {
        known: KnownChains::new(known),
        roots: roots(context)?,
        names: Names { matchers: san_matchers(context), auto: auto_san },
        algorithms: provider.signature_verification_algorithms,
    }))
}

#[derive(Debug)]
struct OfServers {
    known: KnownChains,
    roots: Option<Roots>,
    names: Names,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for OfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            self.known.verify_once(end_entity, intermediates, now, || {
                let verify = |leaf: ParsedCertificate<'_>| {
                    let algorithms = self.algorithms.all;
                    verify_server_cert_signed_by_trust_anchor(&leaf, &roots.store, intermediates, now, algorithms)
                };
                ParsedCertificate::try_from(end_entity).and_then(verify).or_else(|error| {
                    roots.verify_again(error, end_entity, intermediates, Peer::Server, now, &self.algorithms)
                })
            })?;
            self.names.check(end_entity, Some(server_name))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls12_signature(message, cert, dss, &self.algorithms);
        handshake_signature(result, message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls13_signature(message, cert, dss, &self.algorithms);
        handshake_signature(result, message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A verifier of clients' certificates; `None` if none is requested.
pub(super) fn client_verifier(
    context: Option<&CertificateValidationContext>,
    required: bool,
    provider: &Arc<CryptoProvider>,
    known: Counter,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Invalid> {
    let roots = context.map(roots).transpose()?.flatten();
    let chain = match roots {
        Some(roots) => {
            let builder = WebPkiClientVerifier::builder_with_provider(roots.store.clone(), provider.clone());
            Some((builder.build().at("trusted_ca")?, roots))
        }
        None if required => None,
        None => return Ok(None),
    };
    let matchers = context.map(san_matchers).unwrap_or_default();
    Ok(Some(Arc::new(OfClients {
        known: KnownChains::new(known),
        chain,
        required,
        names: Names { matchers, auto: false },
        algorithms: provider.signature_verification_algorithms,
    })))
}

struct OfClients {
    known: KnownChains,
    chain: Option<(Arc<dyn ClientCertVerifier>, Roots)>,
    required: bool,
    names: Names,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for OfClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfClients").field("required", &self.required).field("names", &self.names).finish()
    }
}

impl ClientCertVerifier for OfClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |(chain, _)| chain.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some((chain, roots)) = &self.chain {
            self.known.verify_once(end_entity, intermediates, now, || {
                let verified = chain.verify_client_cert(end_entity, intermediates, now);
                verified.map(drop).or_else(|error| {
                    roots.verify_again(error, end_entity, intermediates, Peer::Client, now, &self.algorithms)
                })
            })?;
            self.names.check(end_entity, None)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls12_signature(message, cert, dss, &self.algorithms);
        handshake_signature(result, message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let result = verify_tls13_signature(message, cert, dss, &self.algorithms);
        handshake_signature(result, message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
