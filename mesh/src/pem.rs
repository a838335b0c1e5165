//! Checks that PEM text contains usable certificates and keys.

use rcgen::{KeyPair, PublicKeyData};
use x509_parser::{pem::Pem, prelude::ASN1Time};

/// Why text is not a chain of certificates; `None` if it is.
pub(crate) fn not_certificates(text: &[u8]) -> Option<&'static str> {
    if !String::from_utf8_lossy(text).contains("-----BEGIN ") {
        return Some("is not PEM; expected text that begins with -----BEGIN CERTIFICATE");
    }
    for pem in Pem::iter_from_buffer(text) {
        match pem.as_ref().map(Pem::parse_x509) {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Some("contains an unreadable certificate"),
            Err(_) => return Some("contains something other than PEM"),
        }
    }
    None
}

/// When the validity of a certificate ended or will begin, if they are not all valid now.
pub(crate) fn not_valid_now(text: &[u8]) -> Option<String> {
    Pem::iter_from_buffer(text).filter_map(Result::ok).find_map(|pem| {
        let certificate = pem.parse_x509().ok()?;
        let (validity, now) = (certificate.validity(), ASN1Time::now());
        if validity.not_after < now {
            Some(format!("the certificate expired at {}", validity.not_after))
        } else if validity.not_before > now {
            Some(format!("the certificate is not valid before {}", validity.not_before))
        } else {
            None
        }
    })
}

/// Why text is not the private key of the first certificate, if that can be read.
pub(crate) fn not_the_key(certificates: &[u8], key: &[u8]) -> Option<&'static str> {
    let pem = Pem::iter_from_buffer(certificates).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let Ok(key) = KeyPair::from_pem(&String::from_utf8_lossy(key)) else {
        return Some("is not a readable private key; expected PEM of an RSA, P-256 or P-384 key");
    };
    let fits = certificate.public_key().subject_public_key.data == key.der_bytes();
    (!fits).then_some("is not the key of its certificate")
}

/// Whether text begins as PEM does.
pub(crate) fn is_pem(text: &[u8]) -> bool {
    matches!(Pem::iter_from_buffer(text).next(), Some(Ok(_)))
}
