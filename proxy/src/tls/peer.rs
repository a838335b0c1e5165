//! What a peer's certificate says, parsed once.

use std::{cell::RefCell, collections::HashMap, net::IpAddr, sync::Arc};

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

/// The facts of a peer's leaf certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Its URI SANs: SPIFFE IDs.
    pub uri_sans: Vec<String>,
    /// Its DNS SANs.
    pub dns_sans: Vec<String>,
    /// Its IP SANs.
    pub ip_sans: Vec<String>,
    /// Its email SANs.
    pub email_sans: Vec<String>,
    /// Its subject as RFC 2253 has it; empty for an SVID.
    pub subject: String,
    /// Its issuer as RFC 2253 has it.
    pub issuer: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub sha256: String,
    /// Valid from, in seconds since 1970.
    pub not_before: i64,
    /// Valid until, in seconds since 1970.
    pub not_after: i64,
}

/// How many certificates a thread remembers.
const REMEMBERED: usize = 256;

thread_local! {
    static PARSED: RefCell<HashMap<Box<[u8]>, Arc<PeerCertificate>>> = RefCell::default();
}

impl PeerCertificate {
    /// The facts of a certificate, read once for as long as the thread remembers it: the verifier asks first, then
    /// whoever wants to know the peer, and in a mesh the same few peers come again and again.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(super) fn of(der: &[u8]) -> Result<Arc<Self>, Fault> {
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

    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is not a DER certificate.
    pub fn parse(der: &[u8]) -> Result<Self, Fault> {
        let (_, certificate) = X509Certificate::from_der(der)?;
        let mut facts = Self {
            subject: rfc2253(certificate.subject()),
            issuer: rfc2253(certificate.issuer()),
            serial: hex(certificate.raw_serial().strip_prefix(&[0]).unwrap_or(certificate.raw_serial())),
            sha256: hex(&Sha256::digest(der)),
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

/// A certificate's public key, as DER.
///
/// # Errors
/// When it is not a DER certificate.
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

/// A name as RFC 2253 has it: the last part first, `,` between parts, special characters escaped.
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
