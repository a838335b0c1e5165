//! The certification authorities of a lab, and the secrets that they make for its sidecars.

use anyhow::Result;
use envoy_api::{CertificateValidationContext, DataSource, Secret, TlsCertificate};
use mesh::{
    ca::{Authority, KeyType, issue_of},
    model::Sidecar,
};

/// Who issues certificates in a lab.
pub(crate) struct Authorities {
    mesh: Authority,
    /// One that the mesh does not trust, for sidecars that are given a wrong certificate on purpose.
    other: Authority,
}

impl Authorities {
    /// New ones, whose keys and certificates' keys are of this type.
    pub(crate) fn new(trust_domain: &str, key_type: KeyType) -> Result<Self> {
        let new = |name: &str| Authority::new(name, key_type);
        Ok(Self { mesh: new(trust_domain)?, other: new("somebody else")? })
    }

    /// The secrets that a sidecar gets by SDS: its SVID, and the mesh's root.
    pub(crate) fn secrets(&self, sidecar: &Sidecar) -> Result<Vec<Secret>> {
        let svid = issue_of(sidecar.svid, &sidecar.spiffe_id, &self.mesh, &self.other)?;
        let certificate = TlsCertificate {
            certificate_chain: DataSource::InlineString(svid.chain_pem),
            private_key: DataSource::InlineString(svid.key_pem),
        };
        let roots = CertificateValidationContext {
            trusted_ca: Some(DataSource::InlineString(self.mesh.root_pem())),
            ..CertificateValidationContext::default()
        };
        Ok(vec![
            Secret { name: "default".into(), tls_certificate: Some(certificate), validation_context: None },
            Secret { name: "ROOTCA".into(), tls_certificate: None, validation_context: Some(roots) },
        ])
    }
}
