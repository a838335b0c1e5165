//! The PeerAuthentication modes in force for a pod, as `sidelab config POD --policy` prints them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Decided, Mesh, MtlsMode};

/// The version of [`Policy`].
pub const SCHEMA: &str = "sidelab.policy/v1";

/// The modes in force for a pod; JSON contract `sidelab.policy/v1` (docs/json.md).
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Policy {
    /// `sidelab.policy/v1`.
    pub schema: &'static str,
    /// `POD.NAMESPACE`.
    pub pod: String,
    /// Whether there is a sidecar to enforce them.
    pub sidecar: bool,
    /// On ports without an entry.
    #[serde(flatten)]
    pub workload: PolicyMode,
    /// By container port.
    pub ports: BTreeMap<u16, PolicyMode>,
}

/// A mode, and the policy that decided it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct PolicyMode {
    pub mode: MtlsMode,
    /// Such as `PeerAuthentication istio-system/default`, or `default`.
    pub decided_by: String,
    /// Its place, such as `mesh.yaml#1 spec.mtls.mode`.
    pub source: String,
}

impl Policy {
    /// The modes in force for a pod of the mesh.
    pub fn for_pod(mesh: &Mesh, pod: usize) -> Self {
        let pod = &mesh.pods[pod];
        let modes = &pod.peer_authentication;
        Self {
            schema: SCHEMA,
            pod: pod.name.to_string(),
            sidecar: pod.sidecar.is_some(),
            workload: PolicyMode::new(&modes.workload),
            ports: modes.ports.iter().map(|(port, decided)| (*port, PolicyMode::new(decided))).collect(),
        }
    }
}

impl PolicyMode {
    fn new(decided: &Decided) -> Self {
        Self { mode: decided.mode, decided_by: decided.by.clone(), source: decided.source.to_string() }
    }
}
