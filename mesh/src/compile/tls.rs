//! TLS contexts: what both sides of leg 2 have, and the server's side.
//!
//! What Envoy leaves to defaults and two data planes might do differently is written out: groups, versions, and that
//! no session is resumed (a resumed one shows no certificates, so nothing could be read from the wire).

use envoy_api::{
    CertificateValidationContext, CombinedCertificateValidationContext, CommonTlsContext, ConfigSource,
    DownstreamTlsContext, SdsSecretConfig, StringMatcher, SubjectAltNameMatcher, TlsKeyLog, TlsParameters, TlsProtocol,
    TransportSocket,
};

use super::{Compiler, Terminal, chain_table::PEER_EXCHANGE, client_tls::uri, files, names};
use crate::flavor::MeshAlpn;

/// The file in [`super::Placement::log_dir`].
const KEY_LOG: &str = "keys.log";

/// What Envoy 1.40 offers when it is told nothing.
const GROUPS: &[&str] = &["X25519MLKEM768", "X25519", "P-256"];

/// Istio's suites of TLS 1.2 (`pilot/pkg/security/authn/utils/utils.go`).
const SUITES: &[&str] = &[
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// What Istio's sidecars offer for mesh traffic that is HTTP/1.1.
pub(super) const OFFER_HTTP1: &[&str] = &["istio-http/1.1", "istio", "http/1.1"];
/// What Istio's sidecars offer for mesh traffic that is HTTP/2.
pub(super) const OFFER_HTTP2: &[&str] = &["istio-h2", "istio", "h2"];

impl Compiler<'_> {
    /// The server's side.
    pub(super) fn server_tls(&self, terminal: Terminal) -> TransportSocket {
        let alpn: &[&str] = match (self.decisions.mesh_alpn, terminal) {
            (MeshAlpn::PeerExchange, _) => PEER_EXCHANGE,
            (MeshAlpn::ByProtocol, Terminal::Http) => &["h2", "http/1.1"],
            (MeshAlpn::ByProtocol, Terminal::Tcp) => &["istio-peer-exchange", "h2", "http/1.1"],
        };
        let any_of_the_mesh = || uri(StringMatcher::prefix(format!("spiffe://{}/", self.mesh.config.spiffe_domain())));
        let identities = self.decisions.checks_identities.then(any_of_the_mesh);
        TransportSocket::downstream_tls(DownstreamTlsContext {
            common_tls_context: self.mesh_context(alpn, SUITES, identities.into_iter().collect()),
            require_client_certificate: Some(true),
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
        })
    }

    /// The workload's SVID against the mesh's root.
    pub(super) fn mesh_context(
        &self,
        alpn: &[&str],
        suites: &[&str],
        identities: Vec<SubjectAltNameMatcher>,
    ) -> CommonTlsContext {
        let checks = CertificateValidationContext { match_typed_subject_alt_names: identities, ..Default::default() };
        CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![self.secret(names::SVID_SECRET)],
            combined_validation_context: Some(self.checked_against(names::ROOT_SECRET, checks)),
            alpn_protocols: strings(alpn),
            ..self.base_context(suites)
        }
    }

    /// What all contexts have.
    pub(super) fn base_context(&self, suites: &[&str]) -> CommonTlsContext {
        CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: Some(TlsProtocol::V1_2),
                tls_maximum_protocol_version: Some(TlsProtocol::V1_3),
                cipher_suites: strings(suites),
                ecdh_curves: strings(GROUPS),
            }),
            key_log: self.placement.key_log.then(|| TlsKeyLog { path: self.placement.log_dir.join(KEY_LOG) }),
            ..CommonTlsContext::default()
        }
    }

    /// A check of the peer's certificate against roots in a secret.
    pub(super) fn checked_against(
        &self,
        roots: &str,
        checks: CertificateValidationContext,
    ) -> CombinedCertificateValidationContext {
        CombinedCertificateValidationContext {
            default_validation_context: checks,
            validation_context_sds_secret_config: self.secret(roots),
        }
    }

    pub(super) fn secret(&self, name: &str) -> SdsSecretConfig {
        let path = self.placement.config_dir.join(files::secret(name));
        SdsSecretConfig { name: name.into(), sds_config: Some(ConfigSource::path(path)) }
    }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.into()).collect()
}
