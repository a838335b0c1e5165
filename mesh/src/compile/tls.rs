//! TLS contexts of leg 2.
//!
//! What Envoy leaves to defaults and two data planes might do differently is written out: groups, versions, and that
//! no session is resumed (a resumed one shows no certificates, so nothing could be read from the wire).

use envoy_api::{
    CertificateValidationContext, CombinedCertificateValidationContext, CommonTlsContext, ConfigSource,
    DownstreamTlsContext, SanType, SdsSecretConfig, StringMatcher, SubjectAltNameMatcher, TlsKeyLog, TlsParameters,
    TlsProtocol, TransportSocket, UpstreamTlsContext,
};

use super::{
    Compiler, Terminal,
    chain_table::{MESH_TCP, PEER_EXCHANGE},
    files, names,
};
use crate::{
    flavor::MeshAlpn,
    model::{Pod, Protocol},
};

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
        let any_of_the_mesh = StringMatcher::prefix(format!("spiffe://{}/", self.mesh.config.spiffe_domain()));
        TransportSocket::downstream_tls(DownstreamTlsContext {
            common_tls_context: self.common_tls(alpn, SUITES, vec![any_of_the_mesh]),
            require_client_certificate: Some(true),
            disable_stateless_session_resumption: true,
            disable_stateful_session_resumption: true,
        })
    }

    /// The client's side, towards the pods of a service.
    pub(super) fn client_tls<'p>(
        &self,
        protocol: Protocol,
        sni: String,
        pods: impl Iterator<Item = &'p Pod>,
    ) -> TransportSocket {
        let mut identities: Vec<_> = pods.map(|pod| self.identity(pod)).collect();
        identities.sort();
        identities.dedup();
        let identities = identities.into_iter().map(StringMatcher::exact).collect();
        TransportSocket::upstream_tls(UpstreamTlsContext {
            common_tls_context: self.common_tls(self.offer(protocol), &[], identities),
            sni,
            max_session_keys: Some(0),
        })
    }

    /// What the client offers to a port that says what it speaks: Istio's filter `istio.alpn` goes by the protocol of
    /// the *upstream* connection, and the cluster settles that. Where the connection settles it, its chain says so
    /// (`outbound.rs`), and this is for bytes that are not HTTP.
    fn offer(&self, protocol: Protocol) -> &'static [&'static str] {
        match self.decisions.mesh_alpn {
            MeshAlpn::PeerExchange => PEER_EXCHANGE,
            MeshAlpn::ByProtocol if protocol.is_http2() => OFFER_HTTP2,
            MeshAlpn::ByProtocol if protocol.is_http() => OFFER_HTTP1,
            MeshAlpn::ByProtocol => MESH_TCP,
        }
    }

    /// A pod's SPIFFE identity. It has one without a sidecar too: Istio knows only its service account.
    fn identity(&self, pod: &Pod) -> String {
        self.mesh.config.spiffe_id(&pod.name.namespace, &pod.service_account)
    }

    fn common_tls(&self, alpn: &[&str], suites: &[&str], identities: Vec<StringMatcher>) -> CommonTlsContext {
        let identities = if self.decisions.checks_identities { identities } else { vec![] };
        let uri = |matcher| SubjectAltNameMatcher { san_type: SanType::Uri, matcher };
        CommonTlsContext {
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: Some(TlsProtocol::V1_2),
                tls_maximum_protocol_version: Some(TlsProtocol::V1_3),
                cipher_suites: strings(suites),
                ecdh_curves: strings(GROUPS),
            }),
            tls_certificate_sds_secret_configs: vec![self.secret(names::SVID_SECRET)],
            combined_validation_context: Some(CombinedCertificateValidationContext {
                default_validation_context: CertificateValidationContext {
                    match_typed_subject_alt_names: identities.into_iter().map(uri).collect(),
                    ..CertificateValidationContext::default()
                },
                validation_context_sds_secret_config: self.secret(names::ROOT_SECRET),
            }),
            alpn_protocols: strings(alpn),
            key_log: self.placement.key_log.then(|| TlsKeyLog { path: self.placement.log_dir.join(KEY_LOG) }),
            ..CommonTlsContext::default()
        }
    }

    fn secret(&self, name: &str) -> SdsSecretConfig {
        let path = self.placement.config_dir.join(files::secret(name));
        SdsSecretConfig { name: name.into(), sds_config: Some(ConfigSource::path(path)) }
    }
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.into()).collect()
}
