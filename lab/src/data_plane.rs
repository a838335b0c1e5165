//! Data planes.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The proxies that run as sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DataPlane {
    /// `sidecar-proxy`, sidelab's own proxy.
    Native,
    /// The real Envoy.
    Envoy,
    /// `sidecar-proxy` for the callers, Envoy for the others.
    NativeToEnvoy,
    /// Envoy for the callers, `sidecar-proxy` for the others.
    EnvoyToNative,
}

mesh::display_as_serialized!(DataPlane);
