//! Sidecar (`networking/v1alpha3/sidecar.proto` in istio/api).

use serde::Deserialize;
use serde_json::Value;

use super::{istio::LabelsSelector, traffic_policy::ConnectionPool, virtual_service::Destination};

/// `spec` of a Sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SidecarSpec {
    /// Which pods of its namespace; all if unset or without labels.
    pub workload_selector: Option<LabelsSelector>,
    /// What the sidecars take, in place of the ports of services.
    pub ingress: Vec<IngressListener>,
    /// What the sidecars know; everything if empty.
    pub egress: Vec<EgressListener>,
    /// The limits of connections to the app.
    pub inbound_connection_pool: Option<ConnectionPool>,
    /// What becomes of calls to unknown destinations, in place of MeshConfig's.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicySpec>,
}

/// `IstioEgressListener`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressListener {
    /// The only port that it is for; all other ports if unset.
    pub port: Option<SidecarPort>,
    /// The address, or `unix://PATH`, that it listens at.
    pub bind: String,
    /// How it gets its connections.
    pub capture_mode: CaptureMode,
    /// `NAMESPACE/HOST`: what it knows.
    pub hosts: Vec<String>,
}

/// `IstioIngressListener`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressListener {
    /// The port that callers dial.
    pub port: Option<SidecarPort>,
    /// The address that it listens at.
    pub bind: String,
    /// How it gets its connections.
    pub capture_mode: CaptureMode,
    /// Where the app is: `ADDRESS:PORT` or `unix://PATH`; where the call was going if empty.
    pub default_endpoint: String,
    /// TLS that the sidecar terminates.
    pub tls: Option<ServerTls>,
    /// The limits of connections to the app.
    pub connection_pool: Option<ConnectionPool>,
}

/// `SidecarPort`, and `Port` of a Gateway's server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SidecarPort {
    /// 0 for a socket of this host.
    pub number: i64,
    /// What it speaks.
    pub protocol: String,
    pub name: String,
    /// Refused where it is set.
    pub target_port: i64,
}

/// `CaptureMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CaptureMode {
    /// As the pod captures.
    #[default]
    Default,
    /// By redirects.
    Iptables,
    /// By listening at its port.
    None,
}

/// `OutboundTrafficPolicy` of a Sidecar.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutboundTrafficPolicySpec {
    pub mode: OutboundMode,
    /// Where calls to unknown destinations go instead.
    pub egress_proxy: Option<Destination>,
}

/// `OutboundTrafficPolicy.Mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundMode {
    /// They are dropped.
    #[default]
    RegistryOnly,
    /// They are forwarded.
    AllowAny,
}

/// `ServerTLSSettings`, of a Sidecar or a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerTls {
    pub mode: ServerTlsMode,
    pub https_redirect: bool,
    pub server_certificate: String,
    pub private_key: String,
    pub ca_certificates: String,
    pub ca_crl: String,
    pub ca_cert_credential_name: String,
    pub credential_name: String,
    pub credential_names: Vec<String>,
    pub tls_certificates: Vec<Value>,
    pub subject_alt_names: Vec<String>,
    pub verify_certificate_spki: Vec<String>,
    pub verify_certificate_hash: Vec<String>,
    pub min_protocol_version: Option<String>,
    pub max_protocol_version: Option<String>,
    pub cipher_suites: Vec<String>,
    pub ecdh_curves: Vec<String>,
    pub insecure_skip_verify: Option<bool>,
}

impl ServerTls {
    /// Whether its certificates are those of Secrets.
    pub fn is_by_secret(&self) -> bool {
        !self.credential_name.is_empty() || !self.credential_names.is_empty()
    }
}

/// `ServerTLSSettings.TLSmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Istio's own names")]
pub enum ServerTlsMode {
    #[default]
    Passthrough,
    Simple,
    Mutual,
    AutoPassthrough,
    IstioMutual,
    OptionalMutual,
}
