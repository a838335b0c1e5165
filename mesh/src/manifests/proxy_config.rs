//! ProxyConfig (`networking/v1beta1/proxy_config.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::istio::WorkloadSelector;

/// `spec` of a ProxyConfig.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyConfigSpec {
    /// Which pods of its namespace; all if unset, those of the mesh in the root namespace.
    pub selector: Option<WorkloadSelector>,
    /// The number of worker threads; 0 for one per CPU.
    pub concurrency: Option<i32>,
    /// Environment variables of the sidecar, by name: `proxyMetadata` of MeshConfig's ProxyConfig.
    pub environment_variables: BTreeMap<String, String>,
    /// Which image the sidecar is made from.
    pub image: Option<ProxyImage>,
}

/// `ProxyImage`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyImage {
    /// Such as `distroless`.
    pub image_type: String,
}
