//! The mesh's certificate authority, and the workload certificates (SVIDs) it issues.
//!
//! Fields and lifetimes are Istio's (`security/pkg/pki/util/generate_cert.go`).

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize, SanType, SerialNumber, string::Ia5String,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::{SvidKind, ValidAt};

/// How long an SVID is valid by default (`SECRET_TTL`).
pub const SVID_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// How far in the past an SVID's validity begins, to allow for clock skew.
const CLOCK_SKEW: Duration = Duration::from_secs(120);
/// How long the root certificate is valid.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A certificate authority: a self-signed root and its key. Two of them never trust each other's leaves.
pub struct Authority {
    kept: Kept,
    issuer: Issuer<'static, KeyPair>,
}

/// An authority as it can be stored. It contains the private key.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    root_pem: String,
    key_pem: String,
    key_type: KeyType,
}

/// The algorithm of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// ECDSA on P-256: Istio's `ECC_SIGNATURE_ALGORITHM=ECDSA`.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits: Istio's default.
    Rsa2048,
}

/// A workload's certificate and key.
#[derive(Clone)]
pub struct Svid {
    /// The certificate in PEM. It does not include the root, which peers already have.
    pub chain_pem: String,
    /// The private key in PEM (PKCS #8).
    pub key_pem: String,
}

/// The validity period of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// Starts slightly before now, and lasts this long.
    pub fn from_now(lifetime: Duration) -> Self {
        let now = Timestamp::now();
        Self { not_before: now - CLOCK_SKEW, not_after: now + lifetime }
    }
}

/// Issues a sidecar's certificate, possibly a deliberately wrong one: some kinds come from the mesh's authority, some from another.
///
/// # Errors
/// If the id is not ASCII, or the library fails.
pub fn issue_of(kind: SvidKind, spiffe_id: &str, mesh: &Authority, other: &Authority) -> Result<Svid, CaError> {
    let names =
        Names { uris: kind.uris(spiffe_id), hosts: kind.hosts(), common_name: kind.common_name().map(str::to_owned) };
    let validity = Validity::from_now(SVID_LIFETIME);
    let hour = Duration::from_secs(3600);
    let validity = match kind.valid() {
        ValidAt::Now => validity,
        ValidAt::Past => {
            Validity { not_before: validity.not_before - SVID_LIFETIME, not_after: Timestamp::now() - hour }
        }
        ValidAt::Future => Validity { not_before: Timestamp::now() + hour, not_after: validity.not_after },
    };
    let authority = if kind.signed_by_mesh() { mesh } else { other };
    authority.issue(&names, validity)
}

/// The names in a leaf certificate; an SVID has one URI and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// URIs, such as a SPIFFE id.
    pub uris: Vec<String>,
    pub hosts: Vec<String>,
    /// The subject's common name; without one the subject is empty.
    pub common_name: Option<String>,
}

impl Names {
    /// The names of an SVID.
    pub fn spiffe(id: &str) -> Self {
        Self { uris: vec![id.to_owned()], ..Self::default() }
    }
}

/// Why a certificate could not be issued.
#[derive(Debug, Error)]
pub enum CaError {
    /// A name that a certificate cannot contain.
    #[error("{name:?} cannot be in a certificate: it must be ASCII")]
    Name { name: String },
    #[error("the certificate could not be issued: {0}")]
    Make(#[from] rcgen::Error),
}

impl Authority {
    /// Creates an authority with a random key.
    ///
    /// # Errors
    /// If the library cannot create a key.
    pub fn new(trust_domain: &str, key_type: KeyType) -> Result<Self, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, Validity::from_now(ROOT_LIFETIME));
        let key = key(key_type)?;
        Self::restore(Kept { root_pem: params.self_signed(&key)?.pem(), key_pem: key.serialize_pem(), key_type })
    }

    /// The authority that was stored.
    ///
    /// # Errors
    /// If its certificate or its key is not PEM.
    pub fn restore(kept: Kept) -> Result<Self, CaError> {
        let issuer = Issuer::from_ca_cert_pem(&kept.root_pem, KeyPair::from_pem(&kept.key_pem)?)?;
        Ok(Self { kept, issuer })
    }

    /// The type of its key, and of those that it issues certificates for.
    pub fn key_type(&self) -> KeyType {
        self.kept.key_type
    }

    /// Its key and certificate, to be stored.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The root certificate in PEM: which every workload in the mesh trusts.
    pub fn root_pem(&self) -> String {
        self.kept.root_pem.clone()
    }

    /// Issues the certificate of one workload.
    ///
    /// # Errors
    /// If the id is not ASCII, or the library fails.
    pub fn issue_svid(&self, spiffe_id: &str, validity: Validity) -> Result<Svid, CaError> {
        self.issue(&Names::spiffe(spiffe_id), validity)
    }

    /// Issues a certificate with any names, including those that a mesh should reject: no URI, two URIs, none of the mesh's.
    ///
    /// # Errors
    /// If a name is not ASCII, or the library fails.
    pub fn issue(&self, names: &Names, validity: Validity) -> Result<Svid, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(common_name) = &names.common_name {
            params.distinguished_name.push(DnType::CommonName, common_name.as_str());
        }
        for uri in &names.uris {
            params.subject_alt_names.push(SanType::URI(ascii(uri)?));
        }
        for host in &names.hosts {
            params.subject_alt_names.push(SanType::DnsName(ascii(host)?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(&serial()));
        set_validity(&mut params, validity);
        let key = key(self.kept.key_type)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Svid { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn key(key_type: KeyType) -> Result<KeyPair, rcgen::Error> {
    match key_type {
        KeyType::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyType::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyType::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
    }
}

/// 127 random bits: serial numbers are positive.
fn serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] &= 0x7f;
    serial
}

fn ascii(name: &str) -> Result<Ia5String, CaError> {
    Ia5String::try_from(name).map_err(|_| CaError::Name { name: name.to_owned() })
}

/// Certificates count in whole seconds.
fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let date = |at: Timestamp| {
        let since_1970 = u64::try_from(at.as_second()).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since_1970)
    };
    params.not_before = date(validity.not_before);
    params.not_after = date(validity.not_after);
}

#[cfg(test)]
mod tests;
