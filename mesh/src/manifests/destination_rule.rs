//! DestinationRule (`networking/v1alpha3/destination_rule.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    istio::WorkloadSelector,
    traffic_policy::{ConnectionPool, LoadBalancer, OutlierDetection, ProxyProtocol, RetryBudget, Tunnel},
};

/// The annotation that asks the textbook's sidecars for a mode that the API does not have; its one value is [`PASSTHROUGH`].
pub const TLS_MODE: &str = "textbook.sidelab.io/tls-mode";
/// The mode in which the client's sidecar relays the app's TLS by its SNI.
pub const PASSTHROUGH: &str = "PASSTHROUGH";

/// `spec` of a DestinationRule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DestinationRuleSpec {
    /// For which host: exact, with a wildcard first, or a name without dots in the rule's own namespace.
    pub host: String,
    /// Settings of the whole destination.
    pub traffic_policy: Option<TrafficPolicySpec>,
    /// Named sets of its pods.
    pub subsets: Vec<SubsetSpec>,
    /// To which namespaces: `.`, `*` or names; `*` by default.
    pub export_to: Vec<String>,
    /// To which clients of the rule's namespace.
    pub workload_selector: Option<WorkloadSelector>,
}

/// `trafficPolicy` of a rule or a subset.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficPolicySpec {
    /// How endpoints are chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be.
    pub connection_pool: Option<ConnectionPool>,
    /// Which endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS settings.
    pub tls: Option<TlsSpec>,
    /// Settings of single ports, which replace all of these.
    pub port_level_settings: Option<Vec<PortSpec>>,
    /// Tunnels connections through a proxy.
    pub tunnel: Option<Tunnel>,
    /// Sends a PROXY header first.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How many retries there may be.
    pub retry_budget: Option<RetryBudget>,
}

/// One of `portLevelSettings`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PortSpec {
    /// The service's port.
    pub port: Option<PortNumberSpec>,
    /// How endpoints are chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How many connections and requests there may be.
    pub connection_pool: Option<ConnectionPool>,
    /// Which endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS settings.
    pub tls: Option<TlsSpec>,
}

impl DestinationRuleSpec {
    /// All TLS settings of the rule, of its ports and of its subsets.
    pub(crate) fn tls_settings(&self) -> impl Iterator<Item = &TlsSpec> {
        let policies =
            self.traffic_policy.iter().chain(self.subsets.iter().filter_map(|one| one.traffic_policy.as_ref()));
        policies.flat_map(|policy| {
            let ports = policy.port_level_settings.iter().flatten();
            policy.tls.iter().chain(ports.filter_map(|port| port.tls.as_ref()))
        })
    }
}

/// A service's port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PortNumberSpec {
    pub number: i64,
}

/// One of `subsets`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubsetSpec {
    pub name: String,
    /// The labels of its pods.
    pub labels: BTreeMap<String, String>,
    /// Settings that replace the rule's.
    pub traffic_policy: Option<TrafficPolicySpec>,
}

/// `tls` (`ClientTLSSettings`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsSpec {
    /// What the sidecar does; DISABLE by default.
    pub mode: ClientTlsMode,
    /// The client's certificates: a file of the sidecar's.
    pub client_certificate: String,
    /// The client's key: a file of the sidecar's.
    pub private_key: String,
    /// Whom to trust: a file of the sidecar's.
    pub ca_certificates: String,
    /// Revoked certificates: a file of the sidecar's.
    pub ca_crl: String,
    /// A Secret that holds all of these.
    pub credential_name: String,
    /// Names of which the server's certificate must have one.
    pub subject_alt_names: Vec<String>,
    /// The server name that is asked for.
    pub sni: String,
    /// Whether any certificate of the server will do.
    pub insecure_skip_verify: bool,
}

/// What a client's sidecar does with a connection (`ClientTLSSettings.TLSmode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Plaintext.
    #[default]
    Disable,
    /// TLS without a certificate of the client's.
    Simple,
    /// TLS with a certificate that the rule names.
    Mutual,
    /// TLS with the workload's SVID.
    IstioMutual,
}

impl ClientTlsMode {
    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
        }
    }
}
