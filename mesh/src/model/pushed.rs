//! What a control plane pushes to a sidecar.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The source of sidecars' files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlPlane {
    /// This project's compiler.
    #[default]
    Compiler,
    /// The real istiod.
    Istiod,
    /// Whatever pushed to the sidecars whose `config_dump` a lab runs.
    Dumps,
}

impl ControlPlane {
    /// Whether it is the compiler.
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub fn is_compiler(&self) -> bool {
        *self == Self::Compiler
    }
}

/// What is pushed to one sidecar, in Envoy's JSON, unchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pushed {
    /// LDS.
    pub listeners: Vec<Value>,
    /// RDS.
    pub routes: Vec<Value>,
    /// CDS.
    pub clusters: Vec<Value>,
    /// EDS.
    pub endpoints: Vec<Value>,
}
