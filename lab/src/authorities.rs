//! The certification authorities of a lab, and the secrets that they issue to its sidecars.

use anyhow::Result;
use envoy_api::{CertificateValidationContext, DataSource, Secret, TlsCertificate};
use mesh::{
    ca::{Authority, KeyType, Names, SVID_LIFETIME, Svid, Validity, issue_of},
    model::Sidecar,
};

/// The issuers of certificates in a lab.
pub(crate) struct Authorities {
    mesh: Authority,
    /// An authority that the mesh does not trust, for sidecars with a deliberately wrong certificate.
    other: Authority,
    /// The issuer of stand-ins' and external hosts' certificates, which each pod trusts like the system's authorities.
    public: Authority,
}

impl Authorities {
    /// Creates authorities that use keys of this type, and issue certificates with such keys.
    pub(crate) fn new(trust_domain: &str, key_type: KeyType) -> Result<Self> {
        let new = |name: &str| Authority::new(name, key_type);
        Ok(Self { mesh: new(trust_domain)?, other: new("another authority")?, public: new("sidelab: public hosts")? })
    }

    /// Issues a stand-in's certificate.
    pub(crate) fn stand_in(&self, hosts: &[String]) -> Result<Svid> {
        let names = Names { hosts: hosts.to_vec(), ..Names::default() };
        Ok(self.public.issue(&names, Validity::from_now(SVID_LIFETIME))?)
    }

    /// The certificate of the public authority, PEM.
    pub(crate) fn public_root_pem(&self) -> String {
        self.public.root_pem()
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
