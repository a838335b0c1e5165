//! Certificates, as far as reports show them.

use aws_lc_rs::digest;
use schemars::JsonSchema;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer};
use x509_parser::public_key::PublicKey;

use crate::keylog::to_hex;

/// The leaf of a certificate chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Certificate {
    /// Subject, such as `CN=server, O=example`; empty in an SVID.
    pub subject: String,
    /// Issuer, in the same form.
    pub issuer: String,
    /// URI SANs: the SPIFFE identity of an SVID.
    pub uri_sans: Vec<String>,
    /// DNS SANs.
    pub dns_sans: Vec<String>,
    /// Start of its validity, such as `2026-11-21T09:30:00Z`.
    pub not_before: String,
    /// End of its validity, in the same form.
    pub not_after: String,
    /// Key type: `P-256`, `RSA-2048`, `Ed25519`, or the object identifier of the algorithm.
    pub key: String,
    /// SHA-256 of its DER encoding, in hexadecimal.
    pub sha256: String,
    /// Length of the chain, including this certificate.
    pub chain_length: usize,
}

impl Certificate {
    /// The leaf of a chain of DER certificates; `None` for an empty chain. If it is not a certificate, only its hash is set.
    pub(super) fn of_chain(chain: &[&[u8]]) -> Option<Self> {
        let leaf = chain.first()?;
        let mut this = Self {
            sha256: to_hex(digest::digest(&digest::SHA256, leaf).as_ref()),
            chain_length: chain.len(),
            ..Self::default()
        };
        let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
            return Some(this);
        };
        this.subject = certificate.subject().to_string();
        this.issuer = certificate.issuer().to_string();
        this.not_before = rfc3339(certificate.validity().not_before);
        this.not_after = rfc3339(certificate.validity().not_after);
        this.key = key_name(&certificate);
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::URI(uri) => this.uri_sans.push((*uri).to_owned()),
                    GeneralName::DNSName(name) => this.dns_sans.push((*name).to_owned()),
                    _ => {}
                }
            }
        }
        Some(this)
    }
}

fn rfc3339(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

fn key_name(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    let oid = key.algorithm.algorithm.to_id_string();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA-{}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("P-{}", point.key_size()),
        _ if oid == "1.3.101.112" => "Ed25519".to_owned(),
        _ => oid,
    }
}
