//! Secrets: whether the certificates and keys that they hold can be used.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use rcgen::{KeyPair, PublicKeyData};
use x509_parser::{pem::Pem, prelude::ASN1Time};

use super::{Checked, keys};
use crate::{fault::Faults, manifests::Object};

/// Allows a certificate that is not valid now, for scenarios that show what becomes of it.
const ALLOW_EXPIRED: &str = "sidelab.io/allow-expired";

pub(super) fn validate(secret: &Object<Secret>, faults: &mut Faults) {
    let mut checked = Checked::of(secret, faults);
    let data = secret.body.data.iter().flatten().map(|(key, ByteString(value))| ("data", key, value.clone()));
    let text =
        secret.body.string_data.iter().flatten().map(|(key, value)| ("stringData", key, value.clone().into_bytes()));
    let entries: Vec<_> = data.chain(text).collect();
    keys(&mut checked, entries.iter().map(|(field, key, _)| (*field, *key)));
    for (field, key, value) in &entries {
        if value.trim_ascii_start().starts_with(b"-----BEGIN CERTIFICATE") {
            certificates(&mut checked, &format!("{field}[{key}]"), value);
        }
    }
    // What stringData says replaces what data says.
    let entries: BTreeMap<_, _> = entries.iter().map(|(field, key, value)| (key.as_str(), (*field, value))).collect();
    if secret.body.type_.as_deref() == Some("kubernetes.io/tls") {
        for key in ["tls.crt", "tls.key"] {
            match entries.get(key) {
                None => checked.error(
                    format!("data[{key}]"),
                    "is missing; a Secret of type kubernetes.io/tls holds tls.crt and tls.key",
                ),
                Some((field, value)) if !is_pem(value) => {
                    checked
                        .error(format!("{field}[{key}]"), "is not PEM; text that begins with -----BEGIN was expected");
                }
                Some(_) => {}
            }
        }
    }
    for (certificate, key) in [("tls.crt", "tls.key"), ("cert", "key")] {
        if let (Some((_, certificate)), Some((field, key_text))) = (entries.get(certificate), entries.get(key)) {
            key_fits(&mut checked, &format!("{field}[{key}]"), certificate, key_text);
        }
    }
}

/// Whether each certificate can be read, and is valid now.
fn certificates(checked: &mut Checked<'_>, field: &str, text: &[u8]) {
    for pem in Pem::iter_from_buffer(text) {
        let Ok(pem) = pem else {
            return checked.error(field, "is not PEM from one end to the other");
        };
        let Ok(certificate) = pem.parse_x509() else {
            return checked.error(field, "holds a certificate that cannot be read");
        };
        let validity = certificate.validity();
        let now = ASN1Time::now();
        let fault = if validity.not_after < now {
            format!("the certificate expired at {}", validity.not_after)
        } else if validity.not_before > now {
            format!("the certificate is not valid before {}", validity.not_before)
        } else {
            continue;
        };
        if checked.head.annotations.get(ALLOW_EXPIRED).map(String::as_str) != Some("true") {
            let message = format!(
                r#"{fault}: every handshake with it fails; renew it, or annotate the Secret {ALLOW_EXPIRED}: "true" to see it fail"#
            );
            checked.error(field, message);
        }
    }
}

/// Whether a private key is that of the first certificate.
fn key_fits(checked: &mut Checked<'_>, field: &str, certificate: &[u8], key: &[u8]) {
    let Some(Ok(pem)) = Pem::iter_from_buffer(certificate).next() else { return };
    let Ok(certificate) = pem.parse_x509() else { return };
    let Ok(key) = KeyPair::from_pem(&String::from_utf8_lossy(key)) else {
        return checked
            .error(field, "is no private key that can be read; PEM of an RSA, P-256 or P-384 key was expected");
    };
    if certificate.public_key().subject_public_key.data != key.der_bytes() {
        checked.error(field, "is not the key of the certificate beside it");
    }
}

fn is_pem(text: &[u8]) -> bool {
    matches!(Pem::iter_from_buffer(text).next(), Some(Ok(_)))
}
