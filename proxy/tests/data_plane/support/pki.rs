//! Certificates of a mesh.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};

use super::resources;

/// A CA that issues SVIDs.
pub(crate) struct Mesh {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl Mesh {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "cluster.local");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self { root: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// A certificate with this SPIFFE ID, and its key, as PEM.
    pub(crate) fn svid(&self, id: &str) -> (String, String) {
        self.issue(id, |_| ())
    }

    /// A certificate with this SPIFFE ID and changed parameters, and its key, as PEM.
    pub(crate) fn issue(&self, id: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.root).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes the files for secrets `default` (an SVID with this ID) and `ROOTCA`.
    pub(crate) fn secrets(&self, folder: &Path, id: &str) {
        let (certificate, key) = self.svid(id);
        resources(folder, "default.json", &[Self::secret("default", &certificate, &key)]);
        resources(
            folder,
            "ROOTCA.json",
            &[json!({
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
                "name": "ROOTCA",
                "validation_context": {"trusted_ca": {"inline_string": self.root_pem()}},
            })],
        );
    }

    pub(crate) fn secret(name: &str, certificate: &str, key: &str) -> Value {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": name,
            "tls_certificate": {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}},
        })
    }

    /// A reference to a secret's file.
    pub(crate) fn sds(folder: &Path, name: &str) -> Value {
        let file = folder.join(format!("{name}.json"));
        json!({"name": name, "sds_config": {"path_config_source": {"path": file}}})
    }

    /// The common part of a TLS context that uses these secrets, and accepts peers whose ID begins with this prefix.
    pub(crate) fn common(folder: &Path, peer_prefix: &str, alpn: &[&str]) -> Value {
        json!({
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [Self::sds(folder, "default")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names":
                    [{"san_type": "URI", "matcher": {"prefix": peer_prefix}}]},
                "validation_context_sds_secret_config": Self::sds(folder, "ROOTCA"),
            },
            "alpn_protocols": alpn,
        })
    }

    /// A transport socket for a filter chain: mutual TLS.
    pub(crate) fn downstream(folder: &Path, peer_prefix: &str) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": Self::common(folder, peer_prefix, &["istio-peer-exchange", "h2", "http/1.1"]),
            "require_client_certificate": true,
        }})
    }

    /// A transport socket for a cluster: mutual TLS.
    pub(crate) fn upstream(folder: &Path, peer_prefix: &str) -> Value {
        json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": Self::common(folder, peer_prefix, &["istio-peer-exchange", "istio"]),
            "sni": "outbound_.8080_._.server.default.svc.cluster.local",
        }})
    }
}
