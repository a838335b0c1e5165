//! Facts about certificates.

use std::fmt::Write as _;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::report::CertificateFacts;

/// The facts of a DER certificate. If it cannot be parsed, only its hash is set.
pub(crate) fn facts_of(der: &[u8]) -> CertificateFacts {
    let mut facts = CertificateFacts {
        subject: String::new(),
        issuer: String::new(),
        sans: Vec::new(),
        not_before: 0,
        not_after: 0,
        serial: String::new(),
        sha256: hex(&Sha256::digest(der)),
    };
    if let Ok((_, certificate)) = X509Certificate::from_der(der) {
        facts.subject = certificate.subject().to_string();
        facts.issuer = certificate.issuer().to_string();
        if let Ok(Some(sans)) = certificate.subject_alternative_name() {
            facts.sans = sans.value.general_names.iter().map(san).collect();
        }
        facts.not_before = certificate.validity().not_before.timestamp();
        facts.not_after = certificate.validity().not_after.timestamp();
        facts.serial = hex(certificate.raw_serial());
    }
    facts
}

/// A subject alternative name as printed by OpenSSL, except for `IP:`.
fn san(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::IPAddress(octets) => {
            let address = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            match address.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from)) {
                Ok(address) => format!("IP:{address}"),
                Err(_) => format!("IP:{}", hex(octets)),
            }
        }
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
