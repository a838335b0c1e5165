//! TLS (`envoy.extensions.transport_sockets.tls.v3`).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    core::{ConfigSource, DataSource, Empty, StringMatcher},
    typed::any_of,
};

/// `envoy.config.core.v3.TransportSocket`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportSocket {
    /// `envoy.transport_sockets.tls` or `envoy.transport_sockets.raw_buffer`.
    pub name: String,
    /// The transport's configuration.
    pub typed_config: TransportSocketConfig,
}

impl TransportSocket {
    /// Plaintext.
    pub fn raw_buffer() -> Self {
        Self {
            name: "envoy.transport_sockets.raw_buffer".into(),
            typed_config: TransportSocketConfig::RawBuffer(Empty {}),
        }
    }

    /// TLS as a server.
    pub fn downstream_tls(context: DownstreamTlsContext) -> Self {
        Self { name: "envoy.transport_sockets.tls".into(), typed_config: TransportSocketConfig::DownstreamTls(context) }
    }

    /// TLS as a client.
    pub fn upstream_tls(context: UpstreamTlsContext) -> Self {
        Self { name: "envoy.transport_sockets.tls".into(), typed_config: TransportSocketConfig::UpstreamTls(context) }
    }
}

any_of! {
    /// The supported transport sockets.
    TransportSocketConfig {
        /// Plaintext.
        RawBuffer(Empty) = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
        /// TLS as a server.
        DownstreamTls(DownstreamTlsContext) = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        /// TLS as a client.
        UpstreamTls(UpstreamTlsContext) = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    }
}

/// `DownstreamTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DownstreamTlsContext {
    /// Fields that are common to both sides.
    #[serde(default)]
    pub common_tls_context: CommonTlsContext,
    /// Whether a client certificate is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_client_certificate: Option<bool>,
    /// Whether stateless resumption is disabled (tickets, including TLS 1.3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_stateless_session_resumption: bool,
    /// Whether stateful resumption is disabled (session ids, TLS 1.2).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_stateful_session_resumption: bool,
}

/// `UpstreamTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamTlsContext {
    /// Fields that are common to both sides.
    #[serde(default)]
    pub common_tls_context: CommonTlsContext,
    /// SNI to send; none if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sni: String,
    /// Maximum number of stored sessions; 1 if unset, 0 disables resumption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_keys: Option<u32>,
}

/// `CommonTlsContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonTlsContext {
    /// Versions, cipher suites and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_params: Option<TlsParameters>,
    /// Certificates in the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_certificates: Vec<TlsCertificate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls_certificate_sds_secret_configs: Vec<SdsSecretConfig>,
    /// Validation of the peer's certificate. Without any validation context every certificate is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context: Option<CertificateValidationContext>,
    /// Validation context in a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context_sds_secret_config: Option<SdsSecretConfig>,
    /// Validation context with roots in a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined_validation_context: Option<CombinedCertificateValidationContext>,
    /// ALPN: offered in order of preference by a client; the choices of a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn_protocols: Vec<String>,
    /// File for the session secrets. Only for labs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_log: Option<TlsKeyLog>,
}

/// `CommonTlsContext.CombinedCertificateValidationContext`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CombinedCertificateValidationContext {
    /// The context in the configuration.
    pub default_validation_context: CertificateValidationContext,
    /// The secret whose fields are merged into it.
    pub validation_context_sds_secret_config: SdsSecretConfig,
}

/// `TlsParameters`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsParameters {
    /// TLS 1.2 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_minimum_protocol_version: Option<TlsProtocol>,
    /// If unset, TLS 1.2 for clients and 1.3 for servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_maximum_protocol_version: Option<TlsProtocol>,
    /// TLS 1.2 suites by OpenSSL name; those of 1.3 are fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    /// Key exchange groups, such as `X25519` and `P-256`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ecdh_curves: Vec<String>,
}

/// `TlsParameters.TlsProtocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProtocol {
    /// Envoy's default.
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// Version 1.2.
    #[serde(rename = "TLSv1_2")]
    V1_2,
    /// Version 1.3.
    #[serde(rename = "TLSv1_3")]
    V1_3,
}

/// `TlsCertificate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsCertificate {
    /// PEM, with the leaf first.
    pub certificate_chain: DataSource,
    /// PEM. Redacted in `config_dump`.
    pub private_key: DataSource,
}

/// `CertificateValidationContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateValidationContext {
    /// Trusted roots, PEM. If unset, chains are not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_ca: Option<DataSource>,
    /// Matchers, one of which must match a SAN of the peer; any certificate matches if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_typed_subject_alt_names: Vec<SubjectAltNameMatcher>,
    /// The same for SANs of any type: the deprecated form, which Istio uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_subject_alt_names: Vec<StringMatcher>,
    /// Whether certificates that fail verification are accepted anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_chain_verification: Option<TrustChainVerification>,
}

/// `CertificateValidationContext.TrustChainVerification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TrustChainVerification {
    /// The chain must be valid.
    VerifyTrustChain,
    /// Any chain is accepted.
    AcceptUntrusted,
}

/// `SubjectAltNameMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectAltNameMatcher {
    /// Type of SAN to match.
    pub san_type: SanType,
    /// Matches the value.
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
    /// `uniformResourceIdentifier`, the type of SPIFFE IDs.
    Uri,
    /// `iPAddress`.
    IpAddress,
}

/// `SdsSecretConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SdsSecretConfig {
    /// Name of the secret.
    pub name: String,
    /// The file; if unset, a static secret with this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sds_config: Option<ConfigSource>,
}

/// `TlsKeyLog`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsKeyLog {
    /// File in NSS key log format.
    pub path: PathBuf,
}

/// `Secret`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name of the secret, such as `default` or `ROOTCA`.
    pub name: String,
    /// A certificate with its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<TlsCertificate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_context: Option<CertificateValidationContext>,
}
