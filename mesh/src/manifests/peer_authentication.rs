//! PeerAuthentication (`security/v1beta1/peer_authentication.proto` in istio/api).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::istio::WorkloadSelector;

/// `spec` of a PeerAuthentication.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerAuthenticationSpec {
    /// Which pods; all of the namespace (of the mesh, in the root namespace) if unset or without labels.
    pub selector: Option<WorkloadSelector>,
    /// The mode of ports without one in `portLevelMtls`.
    pub mtls: Option<MutualTls>,
    /// By container port.
    pub port_level_mtls: Option<BTreeMap<String, MutualTls>>,
}

/// `MutualTLS`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MutualTls {
    /// UNSET by default, which inherits.
    pub mode: MutualTlsMode,
}

/// `MutualTLS.Mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MutualTlsMode {
    /// What the next wider policy says.
    #[default]
    Unset,
    /// TLS is not terminated.
    Disable,
    /// Both plaintext and mutual TLS.
    Permissive,
    /// Only mutual TLS.
    Strict,
}
