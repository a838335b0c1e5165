//! `--control-plane`, and the arguments of `istiod` and `diff`: the real Istio control plane, next to the compiler.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mesh::model::ControlPlane;

use super::common::{ManifestArgs, OutputArgs, RootArgs};

#[derive(Debug, Args)]
pub struct ControlPlaneArgs {
    /// Where the sidecars' files come from. istiod supports only the istio mesh; scripts/istiod builds it
    #[arg(long, value_enum, default_value_t)]
    pub control_plane: ControlPlaneChoice,
}

/// The source of the sidecars' files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ControlPlaneChoice {
    /// sidelab's own compiler.
    #[default]
    Compiler,
    /// The real Istio control plane.
    Istiod,
}

impl From<&ControlPlaneArgs> for ControlPlane {
    fn from(args: &ControlPlaneArgs) -> Self {
        match args.control_plane {
            ControlPlaneChoice::Compiler => Self::Compiler,
            ControlPlaneChoice::Istiod => Self::Istiod,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab istiod -f app.yaml                 the webhook's verdicts, and which pods get a sidecar\n  sidelab istiod -f app.yaml server -o json   the configuration pushed to one sidecar\n\nBuild the control plane first, once: scripts/istiod. It runs Istio's own packages in memory; no cluster is needed."
)]
pub struct IstiodArgs {
    /// Only this pod, POD or POD.NAMESPACE
    pub pod: Option<String>,
    /// A file of manifests, a folder of them, or - for standard input; can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", required_unless_present = "goldens")]
    pub files: Vec<PathBuf>,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Store the answer for each scenario next to it, for machines without the control plane
    #[arg(long, conflicts_with_all = ["files", "pod"])]
    pub goldens: bool,
    #[command(flatten)]
    pub root: RootArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab diff -f app.yaml server\n  sidelab diff -f app.yaml server.shop -o json\n  sidelab diff -f app.yaml --unexplained\n\nExit codes: 0 every difference has a reason, 1 one has none."
)]
pub struct DiffArgs {
    /// Only this pod, POD or POD.NAMESPACE; a POD that the namespace does not have, in all namespaces
    pub pod: Option<String>,
    /// The manifests that define the mesh.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// The namespace of POD, if it names none [default: `default`, else all that have such a pod]
    #[arg(short = 'n', long)]
    pub namespace: Option<String>,
    /// Only differences without a reason
    #[arg(long)]
    pub unexplained: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}
