//! The mesh-wide settings.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::object::Source;

/// What MeshConfig says (`istio.mesh.v1alpha1.MeshConfig`), as far as it is supported.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// `trustDomain`; `cluster.local`.
    pub trust_domain: String,
    /// `trustDomainAliases`: other trust domains whose workloads are the mesh's own.
    pub trust_domain_aliases: Vec<String>,
    /// `rootNamespace`; `istio-system`.
    pub root_namespace: String,
    /// `enableAutoMtls`; true.
    pub enable_auto_mtls: bool,
    /// `outboundTrafficPolicy.mode`; ALLOW_ANY.
    pub outbound_traffic_policy: OutboundTrafficPolicy,
    /// `accessLogFile`: whether there is an access log; a lab always writes one, since verdicts are read from it.
    pub access_log_file: Option<String>,
    /// `accessLogEncoding` JSON rather than TEXT.
    pub access_log_json: bool,
    /// `protocolDetectionTimeout` in milliseconds; 0 waits for ever.
    pub protocol_detection_timeout_ms: u64,
    /// `meshMTLS`: of TLS between sidecars, on the server's side.
    pub mesh_mtls: MeshTls,
    /// `tlsDefaults`: of all other TLS.
    pub tls_defaults: MeshTls,
    /// `defaultConfig`: every pod's ProxyConfig, as far as it says nothing of its own.
    pub proxy_config: Map<String, Value>,
    /// What every pod's annotations are taken to be where it has none of their name (`values.global.proxy` of Istio's charts).
    pub injection_defaults: BTreeMap<String, String>,
    /// Where each of these was set.
    pub source: Source,
}

/// `MeshConfig.TLSConfig`; what is empty is Istio's own choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshTls {
    /// `minProtocolVersion`.
    pub floor: TlsFloor,
    /// `cipherSuites`, of TLS 1.2.
    pub cipher_suites: Vec<String>,
    /// `ecdhCurves`.
    pub ecdh_curves: Vec<String>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsFloor {
    /// Istio's own choice, which is 1.2.
    #[default]
    Auto,
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl MeshConfig {
    /// The trust domain as it stands in SPIFFE ids, which may not hold an `@` (`pkg/spiffe/spiffe.go`).
    pub fn spiffe_domain(&self) -> String {
        self.trust_domain.replace('@', ".")
    }

    /// The trust domain and its aliases, as they stand in SPIFFE ids.
    pub fn spiffe_domains(&self) -> impl Iterator<Item = String> {
        [&self.trust_domain].into_iter().chain(&self.trust_domain_aliases).map(|domain| domain.replace('@', "."))
    }

    /// The ids that a service account may have: of the trust domain, and of each alias (`ExpandWithTrustDomains` in
    /// `pkg/spiffe/spiffe.go`).
    pub fn spiffe_ids(&self, namespace: &str, service_account: &str) -> Vec<String> {
        self.spiffe_domains().map(|domain| format!("spiffe://{domain}/ns/{namespace}/sa/{service_account}")).collect()
    }

    /// The SPIFFE id of a service account: `spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT`.
    pub fn spiffe_id(&self, namespace: &str, service_account: &str) -> String {
        format!("spiffe://{}/ns/{namespace}/sa/{service_account}", self.spiffe_domain())
    }
}

/// `MeshConfig.OutboundTrafficPolicy.Mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboundTrafficPolicy {
    /// What the mesh doesn't know is passed on to where it was going.
    AllowAny,
    /// What the mesh doesn't know goes nowhere.
    RegistryOnly,
}
