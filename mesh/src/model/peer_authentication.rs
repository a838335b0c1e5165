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
    /// Both.
    Permissive,
    /// Only mTLS.
    Strict,
}

/// A mode, and the policy that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The mode.
    pub mode: MtlsMode,
    /// Which policy, such as `PeerAuthentication istio-system/default`, or `default` for the mesh's own.
    pub by: String,
    /// Where it says so.
    pub source: Source,
}

/// The PeerAuthentication modes in force for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectivePeerAuthentication {
    /// For ports that have no entry of their own.
    pub workload: Decided,
    /// By container port.
    pub ports: BTreeMap<u16, Decided>,
    /// What the namespace and the mesh alone say: all that automatic mTLS looks at for a whole cluster
    /// (`pilot/pkg/networking/core/cluster_builder.go`).
    pub namespace_level: Decided,
}

impl EffectivePeerAuthentication {
    /// The mode in force on a container port.
    pub fn on_port(&self, port: u16) -> &Decided {
        self.ports.get(&port).unwrap_or(&self.workload)
    }
}
