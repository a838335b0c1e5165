//! Trusted roots.

use std::{collections::HashSet, sync::Arc};

use envoy_api::{CertificateValidationContext, TrustChainVerification};
use rustls::{
    CertificateError, Error, RootCertStore,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, UnixTime},
};
use x509_parser::{
    extensions::ParsedExtension,
    prelude::{FromDer, X509Certificate},
};

use super::{
    chain::{Peer, Trust},
    secrets,
};
use crate::config::{At as _, Invalid};

/// Trusted roots, in several forms.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    pub(super) store: Arc<RootCertStore>,
    anchors: Arc<[CertificateDer<'static>]>,
    /// Their subject key identifiers.
    keys: HashSet<Vec<u8>>,
}

/// The trusted roots of a context; `None` if chains are not verified.
pub(super) fn roots(context: &CertificateValidationContext) -> Result<Option<Roots>, Invalid> {
    let mut store = RootCertStore::empty();
    let (mut keys, mut anchors) = (HashSet::new(), Vec::new());
    if let Some(source) = &context.trusted_ca {
        for certificate in secrets::certificates(source).at("trusted_ca")? {
            keys.extend(subject_key(&certificate));
            // A root that webpki does not accept can still be an anchor for `verify_again`.
            if let Err(error) = store.add(certificate.clone())
                && X509Certificate::from_der(&certificate).is_err()
            {
                return Err(error).at("trusted_ca");
            }
            anchors.push(certificate);
        }
    }
    match (context.trusted_ca.is_some(), anchors.is_empty()) {
        (true, true) => Err("contains no certificate").at("trusted_ca"),
        (true, false) if context.trust_chain_verification == Some(TrustChainVerification::AcceptUntrusted) => Ok(None),
        (true, false) => Ok(Some(Roots { store: Arc::new(store), anchors: anchors.into(), keys })),
        // Without verification, the names in a certificate prove nothing: Envoy refuses this, too.
        (false, _) if !context.match_typed_subject_alt_names.is_empty() => {
            Err("requires trusted_ca").at("match_typed_subject_alt_names")
        }
        (false, _) if !context.match_subject_alt_names.is_empty() => {
            Err("there is no trusted_ca: name the roots to trust").at("match_subject_alt_names")
        }
        (false, _) => Ok(None),
    }
}

impl Roots {
    /// Verifies a chain that webpki has refused again, like BoringSSL.
    ///
    /// # Errors
    /// webpki's error, if there is no path to a root.
    pub(super) fn verify_again(
        &self,
        error: Error,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        peer: Peer,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let trust = Trust { anchors: &self.anchors, algorithms, peer, now };
        if trust.leads_to_root(leaf, chain) { Ok(()) } else { Err(self.as_boringssl(error, leaf, chain)) }
    }

    /// Translates an error to what BoringSSL reports: a CA with the right name but another key (according to the certificate's
    /// key identifier) is an unknown issuer there, and a bad signature in webpki.
    fn as_boringssl(&self, error: Error, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Error {
        let bad_signature = matches!(error, Error::InvalidCertificate(CertificateError::BadSignature));
        match authority_key(leaf).filter(|_| bad_signature) {
            Some(key)
                if !self.keys.contains(&key) && chain.iter().filter_map(subject_key).all(|known| known != key) =>
            {
                CertificateError::UnknownIssuer.into()
            }
            _ => error,
        }
    }
}

fn subject_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0.to_vec()),
        _ => None,
    })
}

fn authority_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => Some(authority.key_identifier.as_ref()?.0.to_vec()),
        _ => None,
    })
}
