//! TLS (`envoy.extensions.transport_sockets.tls.v3`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{ConfigSource, DataSource, Empty, StringMatcher, typed::any_of};

/// `envoy.config.core.v3.TransportSocket`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSocket {
    /// `envoy.transport_sockets.tls` or `envoy.transport_sockets.raw_buffer`.
    pub name: String,
    /// What it is.
    pub typed_config: TransportSocketConfig,
}

impl TransportSocket {
    /// Bytes as they are.
    pub fn raw_buffer() -> Self {
        Self {
            name: "envoy.transport_sockets.raw_buffer".into(),
            typed_config: TransportSocketConfig::RawBuffer(Empty {}),
        }
    }

    /// TLS, as the server.
    pub fn downstream_tls(context: DownstreamTlsContext) -> Self {
        Self { name: "envoy.transport_sockets.tls".into(), typed_config: TransportSocketConfig::DownstreamTls(context) }
    }

    /// TLS, as the client.
    pub fn upstream_tls(context: UpstreamTlsContext) -> Self {
        Self { name: "envoy.transport_sockets.tls".into(), typed_config: TransportSocketConfig::UpstreamTls(context) }
    }
}

any_of! {
    /// A transport socket.
    TransportSocketConfig {
        /// Bytes as they are.
        RawBuffer(Empty) = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        /// TLS, as the server.
        DownstreamTls(DownstreamTlsContext) = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        /// TLS, as the client.
        UpstreamTls(UpstreamTlsContext) = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    }
}

/// `DownstreamTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownstreamTlsContext {
    /// What both sides have.
    #[serde(default)]
    pub common_tls_context: CommonTlsContext,
    /// Whether a handshake without a client certificate fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_client_certificate: Option<bool>,
    /// Whether no tickets are given out (TLS 1.3 resumption included).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_stateless_session_resumption: bool,
    /// Whether no sessions are kept for resumption by ID (TLS 1.2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_stateful_session_resumption: bool,
}

/// `UpstreamTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsContext {
    /// What both sides have.
    #[serde(default)]
    pub common_tls_context: CommonTlsContext,
    /// The SNI; none when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sni: String,
    /// Sessions kept for resumption; 1 when unset, 0 turns resumption off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_keys: Option<u32>,
}

/// `CommonTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonTlsContext {
    /// Versions, suites and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_params: Option<TlsParameters>,
    /// Own certificates, in place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_certificates: Vec<TlsCertificate>,
    /// Own certificates, by secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_certificate_sds_secret_configs: Vec<SdsSecretConfig>,
    /// How the peer's certificate is checked, in place. Without any check the peer's certificate is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context: Option<CertificateValidationContext>,
    /// The same, by secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context_sds_secret_config: Option<SdsSecretConfig>,
    /// The roots by secret, the rest in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined_validation_context: Option<CombinedCertificateValidationContext>,
    /// ALPN: offered as the client, in order of preference; chosen from as the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn_protocols: Vec<String>,
    /// A file that the session secrets are written to. Only inside a lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_log: Option<TlsKeyLog>,
}

/// `CommonTlsContext.CombinedCertificateValidationContext`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CombinedCertificateValidationContext {
    /// What stands in place.
    pub default_validation_context: CertificateValidationContext,
    /// The secret whose fields are merged over it.
    pub validation_context_sds_secret_config: SdsSecretConfig,
}

/// `TlsParameters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsParameters {
    /// TLS 1.2 when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_minimum_protocol_version: Option<TlsProtocol>,
    /// TLS 1.2 for clients and 1.3 for servers when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_maximum_protocol_version: Option<TlsProtocol>,
    /// Suites of TLS 1.2 by OpenSSL name; those of 1.3 can't be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    /// Key exchange groups, such as `X25519` and `P-256`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ecdh_curves: Vec<String>,
}

/// `TlsParameters.TlsProtocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProtocol {
    /// As Envoy's default has it.
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.2.
    #[serde(rename = "TLSv1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSv1_3")]
    V1_3,
}

/// `TlsCertificate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCertificate {
    /// PEM, the leaf first.
    pub certificate_chain: DataSource,
    /// PEM. Never printed by `config_dump`.
    pub private_key: DataSource,
}

/// `CertificateValidationContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateValidationContext {
    /// The roots, PEM. No chain is checked when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_ca: Option<DataSource>,
    /// The host's own roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_root_certs: Option<Empty>,
    /// One of these must match one of the peer's SANs; all do when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_typed_subject_alt_names: Vec<SubjectAltNameMatcher>,
    /// Whether a certificate that fails the check is taken all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_chain_verification: Option<TrustChainVerification>,
}

/// `CertificateValidationContext.TrustChainVerification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TrustChainVerification {
    /// The chain must verify.
    VerifyTrustChain,
    /// Anything is taken.
    AcceptUntrusted,
}

/// `SubjectAltNameMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectAltNameMatcher {
    /// Which kind of SAN.
    pub san_type: SanType,
    /// Its value.
    pub matcher: StringMatcher,
}

/// `SubjectAltNameMatcher.SanType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SanType {
    /// `rfc822Name`.
    Email,
    /// `dNSName`.
    Dns,
    /// `uniformResourceIdentifier`: SPIFFE IDs.
    Uri,
    /// `iPAddress`.
    IpAddress,
}

/// `SdsSecretConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SdsSecretConfig {
    /// The secret's name.
    pub name: String,
    /// The file; a static secret of that name when unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sds_config: Option<ConfigSource>,
}

/// `TlsKeyLog`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsKeyLog {
    /// The file, in NSS key log format.
    pub path: PathBuf,
}

/// `Secret`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its name, such as `default` or `ROOTCA`.
    pub name: String,
    /// A certificate and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<TlsCertificate>,
    /// Roots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context: Option<CertificateValidationContext>,
}
