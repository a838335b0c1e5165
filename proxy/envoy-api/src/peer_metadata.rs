//! `istio.metadata_exchange` for HTTP (istio/proxy: `source/extensions/filters/http/peer_metadata/config.proto`).

use serde::{Deserialize, Serialize};

use crate::core::Empty;

/// `io.istio.http.peer_metadata.Config`; in Istio's build of Envoy only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerMetadata {
    /// How the caller's workload is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downstream_discovery: Vec<PeerDiscovery>,
    /// How the called workload is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_discovery: Vec<PeerDiscovery>,
    /// How the caller is told of this workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downstream_propagation: Vec<PeerPropagation>,
    /// How the called is told of this workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_propagation: Vec<PeerPropagation>,
}

/// `io.istio.http.peer_metadata.Config.DiscoveryMethod`: one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerDiscovery {
    /// By headers, which are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio_headers: Option<Empty>,
    /// By the peer's address, of which only ambient mode's control plane knows the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_discovery: Option<Empty>,
}

/// `io.istio.http.peer_metadata.Config.PropagationMethod`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerPropagation {
    /// By headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio_headers: Option<IstioHeaders>,
}

/// `io.istio.http.peer_metadata.Config.IstioHeaders`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IstioHeaders {
    /// Whether hosts outside the mesh are told nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_external_clusters: bool,
}
