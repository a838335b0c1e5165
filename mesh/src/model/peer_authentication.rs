//! The PeerAuthentication modes in force.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::object::Source;

/// A PeerAuthentication mode in force: never UNSET, which inherits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MtlsMode {
    /// TLS is not terminated.
    Disable,
    /// Both plaintext and mTLS.
    Permissive,
    /// Only mTLS.
    Strict,
}

/// A mode, and the policy that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub mode: MtlsMode,
    /// The policy, such as `PeerAuthentication istio-system/default`, or `default`.
    pub by: String,
    /// The place of the decisive field.
    pub source: Source,
}

/// The PeerAuthentication modes in force for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePeerAuthentication {
    /// For ports without an entry.
    pub workload: Decided,
    /// By container port.
    pub ports: BTreeMap<u16, Decided>,
    /// The mode by namespace and mesh only, which automatic mTLS uses for a whole cluster
    /// (`pilot/pkg/networking/core/cluster_builder.go`).
    pub namespace_level: Decided,
}

impl EffectivePeerAuthentication {
    /// The mode in force on a container port.
    pub fn on_port(&self, port: u16) -> &Decided {
        self.ports.get(&port).unwrap_or(&self.workload)
    }
}
