//! The programs that a call passes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The role of a program: where it runs, and under which name a bench counts its CPU and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    ClientApp,
    ClientSidecar,
    /// The called app's sidecar.
    ServerSidecar,
    ServerApp,
}

impl Role {
    /// Whether it is a sidecar.
    pub fn is_sidecar(self) -> bool {
        matches!(self, Self::ClientSidecar | Self::ServerSidecar)
    }
}
