//! Certificates and roots of a context, from its configuration or from secrets in files.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use envoy_api::{CertificateValidationContext, CommonTlsContext, DataSource, SdsSecretConfig, Secret, TlsCertificate};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::{PeerCertificate, peer};
use crate::config::{At as _, Fault, Invalid};

#[cfg(test)]
mod tests;

/// The secrets of a context that have been received.
#[derive(Debug)]
pub(super) struct Secrets {
    common: CommonTlsContext,
    /// At most two, distinguished by name.
    received: Mutex<Vec<Secret>>,
}

/// Everything that a context needs from secrets.
pub(super) struct Material {
    /// The local certificate and its key.
    pub(super) own: Option<TlsCertificate>,
    /// Validation of the peer's certificate.
    pub(super) validation: Option<CertificateValidationContext>,
}

impl Secrets {
    pub(super) fn new(common: &CommonTlsContext) -> Result<Self, Invalid> {
        let own = common.tls_certificates.len() + common.tls_certificate_sds_secret_configs.len();
        let validation = usize::from(common.validation_context.is_some())
            + usize::from(common.validation_context_sds_secret_config.is_some())
            + usize::from(common.combined_validation_context.is_some());
        if own > 1 {
            return Err("more than one certificate in a context is not supported").at("tls_certificates");
        }
        if validation > 1 {
            return Err("expected only one of the three forms of a validation context").at("validation_context");
        }
        Ok(Self { common: common.clone(), received: Mutex::default() })
    }

    /// The secrets that the context needs.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &SdsSecretConfig> {
        let common = &self.common;
        let combined = common.combined_validation_context.as_ref().map(|c| &c.validation_context_sds_secret_config);
        common
            .tls_certificate_sds_secret_configs
            .iter()
            .chain(common.validation_context_sds_secret_config.as_ref())
            .chain(combined)
    }

    /// The secrets that have been received.
    pub(super) fn received(&self) -> Vec<Secret> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces a secret with a new one of the same name, if `build` succeeds with it.
    pub(super) fn replace(
        &self,
        secret: &Secret,
        build: impl FnOnce(Material) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next: Vec<Secret> = received.iter().filter(|s| s.name != secret.name).cloned().collect();
        next.push(secret.clone());
        if let Some(material) = self.material(&next)? {
            build(material)?;
        }
        *received = next;
        Ok(())
    }

    /// The material without any secrets; `None` if secrets are needed.
    pub(super) fn in_place(&self) -> Result<Option<Material>, Invalid> {
        self.material(&[])
    }

    fn material(&self, received: &[Secret]) -> Result<Option<Material>, Invalid> {
        let find = |config: &SdsSecretConfig| received.iter().find(|secret| secret.name == config.name);
        if self.wanted().any(|config| find(config).is_none()) {
            return Ok(None);
        }
        let common = &self.common;
        let own = match (common.tls_certificates.first(), common.tls_certificate_sds_secret_configs.first()) {
            (Some(own), _) => Some(own.clone()),
            (None, Some(config)) => Some(certificate_of(config, find(config))?),
            (None, None) => None,
        };
        let validation = if let Some(config) = &common.validation_context_sds_secret_config {
            Some(validation_of(config, find(config))?)
        } else if let Some(combined) = &common.combined_validation_context {
            let secret = validation_of(
                &combined.validation_context_sds_secret_config,
                find(&combined.validation_context_sds_secret_config),
            )?;
            Some(merged(&combined.default_validation_context, secret))
        } else {
            common.validation_context.clone()
        };
        Ok(Some(Material { own, validation }))
    }
}

fn certificate_of(config: &SdsSecretConfig, secret: Option<&Secret>) -> Result<TlsCertificate, Fault> {
    secret
        .and_then(|secret| secret.tls_certificate.clone())
        .ok_or_else(|| Fault::Secret { name: config.name.clone(), problem: "contains no tls_certificate" })
}

fn validation_of(config: &SdsSecretConfig, secret: Option<&Secret>) -> Result<CertificateValidationContext, Fault> {
    secret
        .and_then(|secret| secret.validation_context.clone())
        .ok_or_else(|| Fault::Secret { name: config.name.clone(), problem: "contains no validation_context" })
}

/// Merges a secret's validation context into the configured one, like protobuf messages: fields are replaced, lists are
/// appended to.
fn merged(
    default: &CertificateValidationContext,
    secret: CertificateValidationContext,
) -> CertificateValidationContext {
    CertificateValidationContext {
        trusted_ca: secret.trusted_ca.or_else(|| default.trusted_ca.clone()),
        match_typed_subject_alt_names: [
            &default.match_typed_subject_alt_names[..],
            &secret.match_typed_subject_alt_names,
        ]
        .concat(),
        match_subject_alt_names: [&default.match_subject_alt_names[..], &secret.match_subject_alt_names].concat(),
        trust_chain_verification: secret.trust_chain_verification.or(default.trust_chain_verification),
    }
}

/// A certified key for handshakes, and the URI SANs of the certificate.
pub(super) fn identity(
    certificate: &TlsCertificate,
    provider: &CryptoProvider,
) -> Result<(Arc<SingleCertAndKey>, Arc<[String]>), Invalid> {
    let chain = certificates(&certificate.certificate_chain).at("certificate_chain")?;
    let leaf = chain.first().ok_or("contains no certificate").at("certificate_chain")?;
    let uri_sans = PeerCertificate::parse(leaf).at("certificate_chain")?.uri_sans;
    let public = peer::public_key(leaf).at("certificate_chain")?;
    let pem = read(&certificate.private_key).at("private_key")?;
    let key = PrivateKeyDer::from_pem_slice(&pem).at("private_key")?;
    let key = provider.key_provider.load_private_key(key).at("private_key")?;
    if key.public_key().is_some_and(|own| own.as_ref() != public) {
        return Err("does not belong to the certificate").at("private_key");
    }
    Ok((Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))), uri_sans.into()))
}

/// The certificates in a PEM source.
pub(super) fn certificates(source: &DataSource) -> Result<Vec<CertificateDer<'static>>, Fault> {
    Ok(CertificateDer::pem_slice_iter(&read(source)?).collect::<Result<_, _>>()?)
}

/// The bytes of a data source.
fn read(source: &DataSource) -> Result<Vec<u8>, Fault> {
    match source {
        DataSource::Filename(path) => std::fs::read(path).map_err(|error| Fault::File { file: path.clone(), error }),
        DataSource::InlineString(text) => Ok(text.clone().into_bytes()),
        DataSource::InlineBytes(text) => Ok(base64::engine::general_purpose::STANDARD.decode(text)?),
    }
}
