//! Arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mesh::model::Flavor;

use crate::{claims, data_plane::DataPlane};

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// `-o`.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: Output,
}

/// Manifests.
#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// A file of manifests, a folder of them, or - for standard input; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// A mesh, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeshChoice {
    /// As it is commonly told and taught.
    Textbook,
    /// What a current Istio generates.
    Istio,
    /// One after the other.
    Both,
}

impl MeshChoice {
    /// The meshes.
    pub fn flavors(self) -> Vec<Flavor> {
        match self {
            Self::Textbook => vec![Flavor::Textbook],
            Self::Istio => vec![Flavor::Istio],
            Self::Both => vec![Flavor::Textbook, Flavor::Istio],
        }
    }
}

/// One mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneMesh {
    /// As it is commonly told and taught.
    Textbook,
    /// What a current Istio generates.
    Istio,
}

impl From<OneMesh> for Flavor {
    fn from(mesh: OneMesh) -> Self {
        match mesh {
            OneMesh::Textbook => Self::Textbook,
            OneMesh::Istio => Self::Istio,
        }
    }
}

/// Which sidecars run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataPlaneChoice {
    /// `sidecar-proxy`, this project's own.
    Native,
    /// The real Envoy.
    Envoy,
    /// One after the other.
    Both,
    /// `sidecar-proxy` beside the callers, Envoy beside the others.
    NativeToEnvoy,
    /// Envoy beside the callers, `sidecar-proxy` beside the others.
    EnvoyToNative,
}

impl DataPlaneChoice {
    /// The data planes.
    pub fn planes(self) -> Vec<DataPlane> {
        match self {
            Self::Native => vec![DataPlane::Native],
            Self::Envoy => vec![DataPlane::Envoy],
            Self::Both => vec![DataPlane::Native, DataPlane::Envoy],
            Self::NativeToEnvoy => vec![DataPlane::NativeToEnvoy],
            Self::EnvoyToNative => vec![DataPlane::EnvoyToNative],
        }
    }
}

/// Where scenarios are.
#[derive(Debug, Args)]
pub struct RootArgs {
    /// The folder of scenarios [default: ./scenarios, else that of the checkout that this program was built in]
    #[arg(long, value_name = "FOLDER", env = "SIDELAB_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// Which lab.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// The lab's id [default: the only one that is up]
    #[arg(long, value_name = "ID")]
    pub lab: Option<String>,
}

/// Reads a claim's name, `C37`; `c37` is taken too.
pub(super) fn claim(text: &str) -> Result<String, String> {
    let name = text.to_uppercase();
    if claims::number(&name).is_some() { Ok(name) } else { Err("a claim is written as C37".into()) }
}
