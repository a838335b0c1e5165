//! Certificates of a sidecar's secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;
use x509_parser::{extensions::GeneralName, pem::Pem, x509::X509Version};

use super::{
    age::{age, timestamp},
    columns::{ISTIOCTL, columns, row},
    dump::Dump,
};

#[cfg(test)]
mod tests;

/// A certificate of a secret: the first of a chain, or a trusted root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Certificate {
    /// `Cert Chain` or `CA`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// In hexadecimal digits.
    pub(crate) serial_number: String,
    /// URI and DNS names.
    pub(crate) names: Vec<String>,
    /// RFC 3339.
    pub(crate) not_before: String,
    /// RFC 3339.
    pub(crate) not_after: String,
    /// Until then, from the time of asking; less than 0 if it has expired.
    pub(crate) seconds_left: i64,
    /// Whether that time is within its validity.
    pub(crate) valid: bool,
}

/// A secret with its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SecretItem {
    #[serde(rename = "resource_name")]
    pub(crate) name: String,
    /// `ACTIVE` or `WARMING`.
    pub(crate) state: &'static str,
    pub(crate) certificates: Vec<Certificate>,
}

impl SecretItem {
    /// Those of a dump. `now` is in seconds since the Unix epoch.
    pub(crate) fn of_dump(dump: &Dump, now: i64) -> Vec<Self> {
        let item = |secret: super::dump::DumpedSecret<'_>| Self {
            name: secret.name.to_owned(),
            state: secret.state,
            certificates: certificates(secret.secret, now),
        };
        dump.secrets().into_iter().map(item).collect()
    }
}

/// The leaf of a chain, or all roots.
fn certificates(secret: &Value, now: i64) -> Vec<Certificate> {
    let chain = pem(secret.pointer("/tls_certificate/certificate_chain"));
    if let Some(chain) = chain {
        return parse(&chain, now).into_iter().take(1).collect();
    }
    let roots = pem(secret.pointer("/validation_context/trusted_ca"));
    roots.map(|roots| parse(&roots, now)).unwrap_or_default()
}

/// The contents of a data source: native sidecars print text, Envoy its bytes in base64.
fn pem(source: Option<&Value>) -> Option<Vec<u8>> {
    let source = source?;
    match (source.get("inline_string"), source.get("inline_bytes")) {
        (Some(text), _) => text.as_str().map(|text| text.as_bytes().to_vec()),
        (None, bytes) => STANDARD.decode(bytes?.as_str()?).ok(),
    }
}

fn parse(pem: &[u8], now: i64) -> Vec<Certificate> {
    let certificate = |pem: Pem| {
        let certificate = pem.parse_x509().ok()?;
        let (from, to) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect()).unwrap_or_default();
        let is_ca = certificate.version() == X509Version::V3 && certificate.is_ca();
        Some(Certificate {
            kind: if is_ca { "CA" } else { "Cert Chain" },
            serial_number: certificate.serial.to_str_radix(16),
            names,
            not_before: timestamp(from),
            not_after: timestamp(to),
            seconds_left: to - now,
            valid: (from..=to).contains(&now),
        })
    };
    Pem::iter_from_buffer(pem).flatten().filter_map(certificate).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(name) | GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

/// `23h left`, or `expired 5m ago`.
pub(crate) fn left(certificate: &Certificate) -> String {
    match certificate.seconds_left {
        0.. => format!("{} left", age(certificate.seconds_left)),
        seconds => format!("expired {} ago", age(-seconds)),
    }
}

/// istioctl's table of secrets (`istioctl/pkg/writer/compare/sds/writer.go`).
pub(crate) fn table(secrets: &[SecretItem]) -> String {
    if secrets.is_empty() {
        return "No secret items to show.\n".to_owned();
    }
    let mut rows =
        vec![row(["RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"])];
    for SecretItem { name, state, certificates } in secrets {
        if certificates.is_empty() {
            rows.push(row([name, "", state, "false", "", "", ""]));
        }
        for one in certificates {
            let valid = one.valid.to_string();
            rows.push(row([name, one.kind, state, &valid, &one.serial_number, &one.not_after, &one.not_before]));
        }
    }
    columns(&rows, ISTIOCTL)
}
