//! The mesh-wide settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    object::Source,
    telemetry::{DefaultProviders, Provider},
};
use crate::manifests::{traffic_policy::TcpKeepalive, virtual_service::HttpRetry};

/// The supported part of MeshConfig (`istio.mesh.v1alpha1.MeshConfig`).
#[derive(Clone, Debug, PartialEq)]
pub struct MeshConfig {
    /// `trustDomain`; `cluster.local`.
    pub trust_domain: String,
    /// `trustDomainAliases`: other trust domains whose workloads belong to the mesh.
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
    /// `extensionProviders`.
    pub providers: Vec<Provider>,
    /// `defaultProviders`.
    pub default_providers: DefaultProviders,
    /// `protocolDetectionTimeout` in milliseconds; 0 waits forever.
    pub protocol_detection_timeout_ms: u64,
    /// `pathNormalization.normalization`.
    pub path_normalization: PathNormalization,
    /// The namespaces that objects without `exportTo` are exported to.
    pub export_to: DefaultExportTo,
    /// `h2UpgradePolicy` UPGRADE: whether sidecars speak HTTP/2 to HTTP ports whatever came in.
    pub upgrades_to_http2: bool,
    /// `defaultHttpRetryPolicy`, of routes that say nothing of retries; Istio's own policy if unset.
    pub default_retries: Option<HttpRetry>,
    /// `inboundTrafficPolicy`: whether sidecars look for their app on loopback, in place of the pod's address.
    pub apps_are_on_loopback: bool,
    /// `connectTimeout` in milliseconds; 10 s.
    pub connect_timeout_ms: u64,
    /// `tcpKeepalive`: keepalive probes of connections to destinations.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `meshMTLS`: for TLS between sidecars, on the server's side.
    pub mesh_mtls: MeshTls,
    /// `tlsDefaults`: for all other TLS.
    pub tls_defaults: MeshTls,
    /// `defaultConfig`: the defaults of every pod's ProxyConfig.
    pub proxy_config: Map<String, Value>,
    /// The defaults of every pod's annotations (`values.global.proxy` of Istio's charts).
    pub injection_defaults: BTreeMap<String, String>,
    /// The document with the settings.
    pub source: Source,
}

/// The namespaces that objects without `exportTo` are exported to: `.`, `*`, `~` (none) or names; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultExportTo {
    /// `defaultServiceExportTo`, of Services and ServiceEntries.
    pub services: BTreeSet<String>,
    /// `defaultVirtualServiceExportTo`.
    pub virtual_services: BTreeSet<String>,
    /// `defaultDestinationRuleExportTo`.
    pub destination_rules: BTreeSet<String>,
}

impl DefaultExportTo {
    /// The namespaces that a service is exported to that says these.
    pub fn of_service(&self, written: BTreeSet<String>) -> BTreeSet<String> {
        if written.is_empty() { self.services.clone() } else { written }
    }

    /// The namespaces that a VirtualService is exported to that says these.
    pub fn of_virtual_service(&self, written: BTreeSet<String>) -> BTreeSet<String> {
        if written.is_empty() { self.virtual_services.clone() } else { written }
    }

    /// The namespaces that a DestinationRule is exported to that says these: of the default, only `.` counts
    /// (`setDestinationRules` in `pilot/pkg/model/push_context.go`).
    pub fn of_destination_rule(&self, written: BTreeSet<String>) -> BTreeSet<String> {
        let at_home = written.is_empty() && self.destination_rules.contains(".");
        if at_home { BTreeSet::from([".".into()]) } else { written }
    }
}

/// `MeshConfig.ProxyPathNormalization.NormalizationType`: what sidecars do to the paths of requests, before routes and policies see
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathNormalization {
    /// Nothing.
    None,
    /// DEFAULT, too: `.` and `..` are resolved, `\` is `/`.
    #[default]
    Base,
    /// Several slashes are one, too.
    MergeSlashes,
    /// `%2F` and `%5C` are unescaped, too, before that.
    DecodeAndMergeSlashes,
}

/// `MeshConfig.TLSConfig`; empty values mean Istio's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeshTls {
    /// `minProtocolVersion`.
    pub floor: TlsFloor,
    /// `cipherSuites`, of TLS 1.2.
    pub cipher_suites: Vec<String>,
    /// `ecdhCurves`.
    pub ecdh_curves: Vec<String>,
}

/// The minimum TLS version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsFloor {
    /// Istio's default: 1.2.
    #[default]
    Auto,
    Tls12,
    Tls13,
}

impl MeshConfig {
    /// The trust domain as written in SPIFFE ids, which cannot contain an `@` (`pkg/spiffe/spiffe.go`).
    pub fn spiffe_domain(&self) -> String {
        self.trust_domain.replace('@', ".")
    }

    /// The trust domain and its aliases, as written in SPIFFE ids.
    pub fn spiffe_domains(&self) -> impl Iterator<Item = String> {
        [&self.trust_domain].into_iter().chain(&self.trust_domain_aliases).map(|domain| domain.replace('@', "."))
    }

    /// The trust domain and its aliases, each once, as rules of authorization see them (`pkg/config/mesh/mesh.go` sorts aliases).
    pub fn trust_domains(&self) -> Vec<String> {
        let aliases: BTreeSet<_> = self.trust_domain_aliases.iter().collect();
        [&self.trust_domain].into_iter().chain(aliases).cloned().collect()
    }

    /// The accepted ids of a service account: in the trust domain, and in each alias (`ExpandWithTrustDomains` in
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
    /// Unknown destinations are forwarded.
    AllowAny,
    /// Unknown destinations are dropped.
    RegistryOnly,
}

/// Whether Istio knows a cipher suite: by name, or as an expression (`IsValidCipherSuite` in `pkg/config/security/security.go`).
pub fn is_cipher_suite(name: &str) -> bool {
    const KNOWN: [&str; 15] = [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    ];
    name.is_empty() || name == "ALL" || !name.starts_with(char::is_alphanumeric) || KNOWN.contains(&name)
}
