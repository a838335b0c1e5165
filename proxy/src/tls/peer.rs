//! Facts about a peer's certificate, parsed once.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use x509_parser::{
    extensions::GeneralName,
    objects::{oid_registry, oid2abbrev},
    prelude::{FromDer, X509Certificate},
    x509::X509Name,
};

use super::keylog::hex;
use crate::config::Fault;

#[cfg(test)]
mod tests;

/// Facts about a peer's leaf certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// URI SANs: SPIFFE IDs.
    pub uri_sans: Vec<String>,
    pub dns_sans: Vec<String>,
    pub ip_sans: Vec<String>,
    pub email_sans: Vec<String>,
    /// Subject in RFC 2253 format; empty for an SVID.
    pub subject: String,
    /// Issuer in RFC 2253 format.
    pub issuer: String,
    /// Serial number in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of the DER encoding in lower-case hexadecimal.
    pub sha256: String,
    /// The certificate in PEM, URL-encoded as Envoy does it (`Utility::PercentEncoding` in `source/common/tls/ssl_handshaker.cc`).
    pub url_encoded_pem: String,
    /// Start of validity, in seconds since 1970.
    pub not_before: i64,
    /// End of validity, in seconds since 1970.
    pub not_after: i64,
}

/// PEM with lines of 64 characters, in which what a header or a URL can't hold is replaced.
fn url_encoded_pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in encoded.as_bytes().chunks(64) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text += "-----END CERTIFICATE-----\n";
    let escaped = [("\n", "%0A"), (" ", "%20"), ("+", "%2B"), ("/", "%2F"), ("=", "%3D")];
    escaped.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// Maximum number of certificates in a thread's cache.
const REMEMBERED: usize = 256;

thread_local! {
    static PARSED: RefCell<HashMap<Box<[u8]>, Arc<PeerCertificate>>> = RefCell::default();
}

impl PeerCertificate {
    /// The facts about a certificate, from the thread's cache if possible: several parts of a handshake need them, and in a mesh
    /// the same few peers connect repeatedly.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(super) fn cached(der: &[u8]) -> Result<Arc<Self>, Fault> {
        PARSED.with_borrow_mut(|parsed| {
            if let Some(facts) = parsed.get(der) {
                return Ok(facts.clone());
            }
            let facts = Arc::new(Self::parse(der)?);
            if parsed.len() == REMEMBERED {
                parsed.clear();
            }
            parsed.insert(der.into(), facts.clone());
            Ok(facts)
        })
    }

    /// Parses a certificate.
    ///
    /// # Errors
    /// If it is not a DER certificate.
    pub fn parse(der: &[u8]) -> Result<Self, Fault> {
        let (_, certificate) = X509Certificate::from_der(der)?;
        let mut facts = Self {
            subject: rfc2253(certificate.subject()),
            issuer: rfc2253(certificate.issuer()),
            serial: hex(certificate.raw_serial().strip_prefix(&[0]).unwrap_or(certificate.raw_serial())),
            sha256: hex(&Sha256::digest(der)),
            url_encoded_pem: url_encoded_pem(der),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            ..Self::default()
        };
        let names = certificate.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::URI(uri) => facts.uri_sans.push((*uri).into()),
                GeneralName::DNSName(dns) => facts.dns_sans.push((*dns).into()),
                GeneralName::RFC822Name(email) => facts.email_sans.push((*email).into()),
                GeneralName::IPAddress(bytes) => facts.ip_sans.extend(ip(bytes)),
                _ => {}
            }
        }
        Ok(facts)
    }
}

/// The public key of a certificate, as DER.
///
/// # Errors
/// If it is not a DER certificate.
pub(super) fn public_key(der: &[u8]) -> Result<Vec<u8>, Fault> {
    let (_, certificate) = X509Certificate::from_der(der)?;
    Ok(certificate.public_key().raw.to_vec())
}

fn ip(bytes: &[u8]) -> Option<String> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
        .map(|ip| ip.to_string())
}

/// A name in RFC 2253 format: in reverse order, separated by `,`, with special characters escaped.
fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let attributes: Vec<String> = rdn
                .iter()
                .map(|attribute| {
                    let oid = attribute.attr_type();
                    let key = oid2abbrev(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), ToString::to_string);
                    format!("{key}={}", escape(attribute.as_str().unwrap_or_default()))
                })
                .collect();
            attributes.join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(value.len());
    for (i, c) in value.chars().enumerate() {
        let at_edge = (i == 0 && (c == ' ' || c == '#')) || (i == last && c == ' ');
        if at_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
