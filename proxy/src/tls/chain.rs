//! Certificates in the field that webpki refuses: version 1 (as `openssl x509 -req` makes them), leaves that may sign
//! certificates (`openssl req -x509`), long chains, CAs with short RSA keys. BoringSSL, and so Envoy, accepts them. Chains that
//! webpki has refused are verified again as in `x509_vfy.cc`.
//!
//! Name constraints are not implemented here, so chains with them are left to webpki.

use rustls::{
    CertificateError, DigitallySignedStruct, Error,
    client::danger::HandshakeSignatureValid,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, UnixTime},
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::ParsedExtension,
    prelude::{FromDer as _, X509Version},
    x509::AlgorithmIdentifier,
};

#[cfg(test)]
mod tests;

/// Maximum number of certificates between a leaf and its root (`X509_VERIFY_PARAM`'s depth in BoringSSL).
const MAX_DEPTH: usize = 100;
/// Maximum number of signatures that are verified for a chain, to limit the cost that a peer can cause.
const MAX_SIGNATURES: usize = 200;

/// The end that presents a certificate, which determines the required purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// What a chain is verified against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust<'a> {
    pub(super) anchors: &'a [CertificateDer<'static>],
    pub(super) algorithms: &'a WebPkiSupportedAlgorithms,
    pub(super) peer: Peer,
    pub(super) now: UnixTime,
}

impl Trust<'_> {
    /// Whether a chain leads to one of the roots.
    pub(super) fn leads_to_root(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
        let Some(leaf) = parse(leaf) else { return false };
        let intermediates: Vec<_> = intermediates.iter().filter_map(|der| parse(der)).collect();
        let anchors: Vec<_> = self.anchors.iter().filter_map(|der| parse(der)).collect();
        let mut search = Search { trust: self, intermediates: &intermediates, anchors: &anchors, signatures: 0 };
        self.may_be_leaf(&leaf) && (anchors.contains(&leaf) || search.leads_up(&leaf, &mut Vec::new()))
    }

    fn may_be_leaf(&self, leaf: &X509Certificate<'_>) -> bool {
        let uses_key = match leaf.key_usage() {
            Ok(None) => true,
            Ok(Some(usage)) => {
                let usage = usage.value;
                let may_encipher = self.peer == Peer::Server && usage.key_encipherment();
                usage.digital_signature() || usage.key_agreement() || may_encipher
            }
            Err(_) => false,
        };
        uses_key && self.is_good(leaf)
    }

    /// Whether a certificate may be a CA, with `below` CAs between it and the leaf.
    fn may_be_authority(&self, certificate: &X509Certificate<'_>, below: usize) -> bool {
        let constraints = match certificate.basic_constraints() {
            Ok(Some(constraints)) => constraints.value,
            // Before version 3, certificates do not say; only self-signed ones are accepted as CAs.
            Ok(None) => {
                return certificate.version() == X509Version::V1 && certificate.subject() == certificate.issuer();
            }
            Err(_) => return false,
        };
        let may_sign = certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
        let is_short_enough = constraints.path_len_constraint.is_none_or(|most| below <= most as usize);
        constraints.ca && may_sign && is_short_enough && self.is_good(certificate)
    }

    /// Whether a certificate is currently valid, has the right purpose, and has no unknown critical extensions.
    fn is_good(&self, certificate: &X509Certificate<'_>) -> bool {
        let now = i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        let is_valid = (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now);
        let is_for_tls = match certificate.extended_key_usage() {
            Ok(None) => true,
            Ok(Some(usage)) => match self.peer {
                Peer::Client => usage.value.any || usage.value.client_auth,
                Peer::Server => usage.value.any || usage.value.server_auth,
            },
            Err(_) => false,
        };
        let is_understood = certificate.extensions().iter().all(|extension| match extension.parsed_extension() {
            ParsedExtension::NameConstraints(_) => false,
            ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::ParseError { .. } => !extension.critical,
            _ => true,
        });
        is_valid && is_for_tls && is_understood
    }
}

/// A search for a path from a certificate to a root.
struct Search<'a, 'b> {
    trust: &'a Trust<'a>,
    intermediates: &'a [X509Certificate<'b>],
    anchors: &'a [X509Certificate<'b>],
    signatures: usize,
}

impl Search<'_, '_> {
    /// `below` are the CAs on the path so far, by index of the intermediates.
    fn leads_up(&mut self, certificate: &X509Certificate<'_>, below: &mut Vec<usize>) -> bool {
        let issued = |issuer: &&X509Certificate<'_>| issuer.subject().as_raw() == certificate.issuer().as_raw();
        for anchor in self.anchors.iter().filter(issued) {
            if self.trust.may_be_authority(anchor, below.len()) && self.signed(certificate, anchor) {
                return true;
            }
        }
        if below.len() >= MAX_DEPTH {
            return false;
        }
        let intermediates = self.intermediates;
        for (i, issuer) in intermediates.iter().enumerate().filter(|(_, issuer)| issued(issuer)) {
            if below.contains(&i)
                || !self.trust.may_be_authority(issuer, below.len())
                || !self.signed(certificate, issuer)
            {
                continue;
            }
            below.push(i);
            if self.leads_up(issuer, below) {
                return true;
            }
            below.pop();
        }
        false
    }

    fn signed(&mut self, certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
        self.signatures += 1;
        self.signatures <= MAX_SIGNATURES && is_signed_by(certificate, issuer, self.trust.algorithms)
    }
}

fn is_signed_by(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let (message, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    let (key, key_kind) = (&issuer.public_key().subject_public_key.data, identifier(&issuer.public_key().algorithm));
    let kind = identifier(&certificate.signature_algorithm);
    let fitting = algorithms
        .all
        .iter()
        .filter(|known| *known.signature_alg_id() == *kind && *known.public_key_alg_id() == *key_kind);
    fitting.into_iter().any(|known| known.verify_signature(key, message, signature).is_ok())
        || short_rsa(&certificate.signature_algorithm).is_some_and(|rsa| {
            aws_lc_rs::signature::UnparsedPublicKey::new(rsa, key).verify(message, signature).is_ok()
        })
}

/// RSA with keys from 1024 bits, by signature algorithm.
fn short_rsa(algorithm: &AlgorithmIdentifier<'_>) -> Option<&'static aws_lc_rs::signature::RsaParameters> {
    use aws_lc_rs::signature as rsa;
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.11" => Some(&rsa::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        "1.2.840.113549.1.1.13" => Some(&rsa::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        _ => None,
    }
}

/// Verifies the signature of a handshake if webpki, whose `result` this is, could not parse the leaf.
pub(super) fn handshake_signature(
    result: Result<HandshakeSignatureValid, Error>,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Err(error) = result else { return result };
    if !matches!(&error, Error::InvalidCertificate(reason) if *reason != CertificateError::BadSignature) {
        return Err(error);
    }
    let Some(certificate) = parse(certificate) else { return Err(error) };
    let key = certificate.public_key();
    let kind = identifier(&key.algorithm);
    let fitting = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let is_good = fitting.into_iter().flat_map(|(_, fitting)| *fitting).any(|known| {
        *known.public_key_alg_id() == *kind
            && known.verify_signature(&key.subject_public_key.data, message, signed.signature()).is_ok()
    });
    if is_good { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

/// An algorithm in rustls' form: the contents of its DER encoding.
fn identifier(algorithm: &AlgorithmIdentifier<'_>) -> Vec<u8> {
    const SEQUENCE: u32 = 16;
    let mut out = element(6, algorithm.algorithm.as_bytes());
    if let Some(parameters) = &algorithm.parameters {
        let tag = if parameters.tag().0 == SEQUENCE { 0x30 } else { parameters.tag().0 as u8 };
        out.extend(element(tag, parameters.data));
    }
    out
}

/// A short DER element, as in all algorithm identifiers.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, content.len() as u8], content].concat()
}
