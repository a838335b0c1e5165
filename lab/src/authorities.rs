//! The certification authorities of a lab, and the secrets that they issue to its sidecars.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use envoy_api::{CertificateValidationContext, DataSource, Secret, TlsCertificate};
use mesh::{
    ca::{Authority, Kept, KeyType, Names, SVID_LIFETIME, Svid, Validity, issue_of},
    model::Sidecar,
};
use serde::{Deserialize, Serialize};

use crate::output;

/// The file of a lab that stays up with the keys of its authorities.
const FILE: &str = "authorities.json";

/// The issuers of certificates in a lab.
pub(crate) struct Authorities {
    mesh: Authority,
    /// An authority that the mesh does not trust, for sidecars with a deliberately wrong certificate.
    other: Authority,
    /// The issuer of stand-ins' and external hosts' certificates, which each pod trusts like the system's authorities.
    public: Authority,
    /// Further roots that the mesh's sidecars trust, PEM.
    also_trusted: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    mesh: Kept,
    other: Kept,
    public: Kept,
    also_trusted: Vec<String>,
}

impl Authorities {
    /// Creates authorities that use keys of this type, and issue certificates with such keys.
    pub(crate) fn new(trust_domain: &str, key_type: KeyType) -> Result<Self> {
        let new = |name: &str| Authority::new(name, key_type);
        Ok(Self {
            mesh: new(trust_domain)?,
            other: new("another authority")?,
            public: new("sidelab: public hosts")?,
            also_trusted: Vec::new(),
        })
    }

    /// Reads the authorities of a lab that is up.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub(crate) fn read(lab: &Path) -> Result<Self> {
        let path = lab.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
        let damaged = || format!("{} is damaged", path.display());
        let Stored { mesh, other, public, also_trusted } = serde_json::from_str(&text).with_context(damaged)?;
        let restore = |kept| Authority::restore(kept).with_context(damaged);
        Ok(Self { mesh: restore(mesh)?, other: restore(other)?, public: restore(public)?, also_trusted })
    }

    /// Stores the authorities of a lab that stays up. Only its owner can read the file.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write(&self, lab: &Path) -> Result<()> {
        let [mesh, other, public] = [&self.mesh, &self.other, &self.public].map(|one| one.kept().clone());
        let stored = Stored { mesh, other, public, also_trusted: self.also_trusted.clone() };
        let text = serde_json::to_string(&stored)?;
        Ok(output::write_secret(&lab.join(FILE), |file| file.write_all(text.as_bytes()))?)
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
            trusted_ca: Some(DataSource::InlineString(self.roots_pem())),
            ..CertificateValidationContext::default()
        };
        Ok(vec![
            Secret { name: "default".into(), tls_certificate: Some(certificate), validation_context: None },
            Secret { name: "ROOTCA".into(), tls_certificate: None, validation_context: Some(roots) },
        ])
    }

    /// A new authority for the mesh, which does not sign yet.
    pub(crate) fn next_mesh(&self, trust_domain: &str) -> Result<Authority> {
        Ok(Authority::new(trust_domain, self.mesh.key_type())?)
    }

    /// Has sidecars trust another root as well.
    pub(crate) fn also_trust(&mut self, root_pem: String) {
        self.also_trusted.push(root_pem);
    }

    /// Has another authority sign from now on. Returns the former one, which sidecars no longer trust.
    pub(crate) fn sign_by(&mut self, next: Authority) -> Authority {
        let own = next.root_pem();
        self.also_trusted.retain(|root| *root != own);
        std::mem::replace(&mut self.mesh, next)
    }

    /// Has sidecars trust only the authority that signs.
    pub(crate) fn trust_only_own(&mut self) {
        self.also_trusted.clear();
    }

    /// The roots that the mesh's sidecars trust, PEM.
    fn roots_pem(&self) -> String {
        std::iter::once(self.mesh.root_pem()).chain(self.also_trusted.iter().cloned()).collect()
    }
}
