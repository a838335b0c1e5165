//! TLS contexts: what both sides of leg 2 share, and the server's side.
//!
//! Where defaults of the two data planes could differ, they are set explicitly: groups, versions, and whether sessions are
//! resumed (a resumed session shows no certificates, so they could not be read from the wire).

use envoy_api::{
    CertificateValidationContext, CombinedCertificateValidationContext, CommonTlsContext, ConfigSource,
    DownstreamTlsContext, SanType, SdsSecretConfig, StringMatcher, SubjectAltNameMatcher, TlsKeyLog, TlsParameters,
    TlsProtocol, TransportSocket,
};

use super::{
    Compiler, Terminal,
    chain_table::{MESH_TCP, PEER_EXCHANGE},
    files, names,
};
use crate::{
    flavor::MeshAlpn,
    model::{MeshTls, TlsFloor},
};

/// The file in [`super::Placement::log_dir`].
pub(crate) const KEY_LOG: &str = "keys.log";

/// The groups that Envoy 1.40 offers by default.
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

/// The ALPN that Istio's sidecars offer for HTTP/1.1 mesh traffic.
pub(super) const OFFER_HTTP1: &[&str] = &["istio-http/1.1", "istio", "http/1.1"];
/// The ALPN that Istio's sidecars offer for other mesh traffic.
pub(super) const OFFER_TCP: &[&str] = MESH_TCP;
/// The ALPN that Istio's sidecars offer for HTTP/2 mesh traffic.
pub(super) const OFFER_HTTP2: &[&str] = &["istio-h2", "istio", "h2"];

impl Compiler<'_> {
    /// The context of the server's side.
    pub(super) fn server_tls(&self, terminal: Terminal) -> TransportSocket {
        let alpn: &[&str] = match (self.decisions.mesh_alpn, terminal) {
            (MeshAlpn::PeerExchange, _) => PEER_EXCHANGE,
            (MeshAlpn::ByProtocol, Terminal::Http) => &["h2", "http/1.1"],
            (MeshAlpn::ByProtocol, Terminal::Tcp) => &["istio-peer-exchange", "h2", "http/1.1"],
        };
        // Istio accepts the trust domain and its aliases (`pilot/pkg/networking/plugin/authn/util.go`).
        let domains = self.mesh.config.spiffe_domains().filter(|_| self.decisions.checks_identities);
        let identities = domains.map(|domain| uri(StringMatcher::prefix(format!("spiffe://{domain}/"))));
        let MeshTls { floor, cipher_suites, .. } = &self.mesh.config.mesh_mtls;
        let own_suites: Vec<&str> = cipher_suites.iter().map(String::as_str).collect();
        let suites = if own_suites.is_empty() { SUITES } else { &own_suites[..] };
        let mut context = self.mesh_context(alpn, suites, identities.collect());
        if let Some(parameters) = context.tls_params.as_mut().filter(|_| *floor == TlsFloor::Tls13) {
            parameters.tls_minimum_protocol_version = Some(TlsProtocol::V1_3);
        }
        TransportSocket::downstream_tls(DownstreamTlsContext {
            common_tls_context: context,
            require_client_certificate: Some(true),
            disable_stateless_session_resumption: !self.options().resumption,
            disable_stateful_session_resumption: !self.options().resumption,
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

    /// The settings of TLS with certificates of the user's: the mesh's defaults, if set (`constructUpstreamTLS` in
    /// `pilot/pkg/networking/core/cluster_tls.go`, `BuildListenerTLSContext` in `listener.go`).
    pub(super) fn user_context(&self) -> CommonTlsContext {
        let MeshTls { cipher_suites, ecdh_curves, .. } = &self.mesh.config.tls_defaults;
        let mut context = self.base_context(&[]);
        if let Some(parameters) = &mut context.tls_params {
            parameters.cipher_suites.clone_from(cipher_suites);
            if !ecdh_curves.is_empty() {
                parameters.ecdh_curves.clone_from(ecdh_curves);
            }
        }
        context
    }

    /// The settings that all contexts share.
    pub(super) fn base_context(&self, suites: &[&str]) -> CommonTlsContext {
        CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: Some(TlsProtocol::V1_2),
                tls_maximum_protocol_version: Some(TlsProtocol::V1_3),
                cipher_suites: strings(suites),
                ecdh_curves: self.groups(),
            }),
            key_log: self.options().key_log.then(|| TlsKeyLog { path: self.placement.log_dir.join(KEY_LOG) }),
            ..CommonTlsContext::default()
        }
    }

    fn groups(&self) -> Vec<String> {
        self.options().group.as_ref().map_or_else(|| strings(GROUPS), |group| vec![group.clone()])
    }

    /// How many sessions a client keeps to resume, for each context. Unset, Envoy keeps one.
    pub(super) fn max_session_keys(&self) -> Option<u32> {
        (!self.options().resumption).then_some(0)
    }

    /// Validates the peer's certificate against roots in a secret.
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

/// Matches a URI in a certificate.
pub(super) fn uri(matcher: StringMatcher) -> SubjectAltNameMatcher {
    SubjectAltNameMatcher { san_type: SanType::Uri, matcher }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.into()).collect()
}
