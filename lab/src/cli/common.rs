//! Arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mesh::{
    account::{AppProtocol, AppSpeaks},
    model::Flavor,
};

use crate::{claims, data_plane::DataPlane};

/// The output format of most commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct ManifestArgs {
    /// A file of manifests, a folder of them, or - for standard input; can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ConfinementArgs {
    /// Let the pods' programs see and change the host's files and processes
    #[arg(long)]
    pub unconfined: bool,
}

/// One mesh, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeshChoice {
    /// The mesh as it is usually described.
    Textbook,
    /// What a current Istio generates.
    Istio,
    /// One after the other.
    Both,
}

impl MeshChoice {
    /// The meshes that were chosen.
    pub fn flavors(self) -> Vec<Flavor> {
        match self {
            Self::Textbook => vec![Flavor::Textbook],
            Self::Istio => vec![Flavor::Istio],
            Self::Both => vec![Flavor::Textbook, Flavor::Istio],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneMesh {
    /// The mesh as it is usually described.
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

/// The proxies that run as sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataPlaneChoice {
    /// `sidecar-proxy`, sidelab's own proxy.
    Native,
    /// The real Envoy.
    Envoy,
    /// One after the other.
    Both,
    /// `sidecar-proxy` for the callers, Envoy for the others.
    NativeToEnvoy,
    /// Envoy for the callers, `sidecar-proxy` for the others.
    EnvoyToNative,
}

impl DataPlaneChoice {
    /// The data planes that were chosen.
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

#[derive(Debug, Args)]
pub struct RootArgs {
    /// The folder of scenarios [default: ./scenarios, else the one that came with this program]
    #[arg(long, value_name = "FOLDER", env = "SIDELAB_SCENARIOS")]
    pub scenarios: Option<PathBuf>,
}

/// The lab to work on.
#[derive(Debug, Args)]
pub struct LabArgs {
    /// The lab's id or name [default: the only one that is up]
    #[arg(long, value_name = "LAB")]
    pub lab: Option<String>,
}

/// The lab, and how to print what is asked of its pods.
#[derive(Debug, Args)]
pub struct Place {
    /// The namespace of pods that name none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Reads a claim's name, `C37`; `c37` is accepted, too.
pub(super) fn claim(text: &str) -> Result<String, String> {
    let name = text.to_uppercase();
    if claims::number(&name).is_some() { Ok(name) } else { Err("expected a claim such as C37".into()) }
}

/// What an app sends, and what it speaks on top of that where the name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppChoice {
    /// What it sends.
    pub sends: AppProtocol,
    /// What it speaks.
    pub speaks: Option<AppSpeaks>,
}

pub(super) fn app_choice(text: &str) -> Result<AppChoice, String> {
    let choice = |sends, speaks| Ok(AppChoice { sends, speaks });
    match text {
        "http" => choice(AppProtocol::Http, None),
        "h2" => choice(AppProtocol::H2, None),
        "grpc" => choice(AppProtocol::H2, Some(AppSpeaks::Grpc)),
        "https" => choice(AppProtocol::Https, None),
        "tcp" => choice(AppProtocol::Tcp, None),
        _ => Err("expected http, h2, grpc, https or tcp".into()),
    }
}
