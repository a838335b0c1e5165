//! What a pod's ProxyConfig says that is read after resolution (`mesh/v1alpha1/proxy.proto` in istio/api).

use envoy_api::ForwardClientCertDetails;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{mesh_config::MeshConfig, pod::Pod};

/// The annotation with a pod's own ProxyConfig, in YAML.
pub(crate) const PROXY_CONFIG: &str = "proxy.istio.io/config";

impl Pod {
    /// A part of its ProxyConfig: that of its annotation, which replaces the whole part of MeshConfig (`MergeProxyConfig` in
    /// `pkg/config/mesh/mesh.go`). Defaults if it is invalid, which resolution reports.
    pub(crate) fn proxy_config<T: DeserializeOwned + Default>(&self, mesh: &MeshConfig, part: &str) -> T {
        let annotation = self.annotations.get(PROXY_CONFIG);
        let annotation = annotation.and_then(|text| serde_saphyr::from_str::<Option<Value>>(text).ok().flatten());
        let own = annotation.as_ref().and_then(|config| config.get(part)).filter(|part| part.is_object());
        let said = own.or_else(|| mesh.proxy_config.get(part)).cloned();
        said.and_then(|said| serde_json::from_value(said).ok()).unwrap_or_default()
    }
}

/// The proxies before a gateway, and what it tells those behind it (`gatewayTopology`; `buildGatewayConnectionManager` in
/// `pilot/pkg/networking/core/gateway.go`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayTopology {
    /// How many trusted proxies are in front of it.
    pub num_trusted_proxies: u32,
    forward_client_cert_details: ForwardedCertificate,
}

/// `ForwardClientCertDetails`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ForwardedCertificate {
    #[default]
    Undefined,
    Sanitize,
    ForwardOnly,
    AppendForward,
    SanitizeSet,
    AlwaysForwardOnly,
}

impl GatewayTopology {
    /// That of a gateway.
    pub fn of(pod: &Pod, mesh: &MeshConfig) -> Self {
        pod.proxy_config(mesh, "gatewayTopology")
    }

    /// What becomes of `x-forwarded-client-cert`.
    pub fn forward_client_cert_details(&self) -> ForwardClientCertDetails {
        match self.forward_client_cert_details {
            ForwardedCertificate::Sanitize => ForwardClientCertDetails::Sanitize,
            ForwardedCertificate::ForwardOnly => ForwardClientCertDetails::ForwardOnly,
            ForwardedCertificate::AppendForward => ForwardClientCertDetails::AppendForward,
            ForwardedCertificate::Undefined | ForwardedCertificate::SanitizeSet => {
                ForwardClientCertDetails::SanitizeSet
            }
            ForwardedCertificate::AlwaysForwardOnly => ForwardClientCertDetails::AlwaysForwardOnly,
        }
    }
}
