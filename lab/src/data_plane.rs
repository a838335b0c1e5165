//! Which proxies run as sidecars.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which proxies run as sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DataPlane {
    /// `sidecar-proxy`, this project's own.
    Native,
    /// The real Envoy.
    Envoy,
    /// `sidecar-proxy` beside the callers, Envoy beside the others.
    NativeToEnvoy,
    /// Envoy beside the callers, `sidecar-proxy` beside the others.
    EnvoyToNative,
}

mesh::display_as_serialized!(DataPlane);
