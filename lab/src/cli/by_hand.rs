//! `sidelab up`, and what works on a lab that is up: `get`, `exec`, `logs`, `down`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::{LabArgs, ManifestArgs, OneMesh, OutputArgs};
use crate::data_plane::DataPlane;

/// `up`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sidelab up -f scenarios/strict/manifests.yaml\n  sidelab exec client -- curl -s http://server:8080/\n  sidelab down"
)]
pub struct UpArgs {
    /// What to bring up.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// In which mesh
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: OneMesh,
    /// On which data plane
    #[arg(long, value_enum, default_value = "native")]
    pub data_plane: OneDataPlane,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// One data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneDataPlane {
    /// `sidecar-proxy`, this project's own.
    Native,
    /// The real Envoy.
    Envoy,
}

impl From<OneDataPlane> for DataPlane {
    fn from(plane: OneDataPlane) -> Self {
        match plane {
            OneDataPlane::Native => Self::Native,
            OneDataPlane::Envoy => Self::Envoy,
        }
    }
}

/// `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// What to show
    #[arg(value_enum, default_value = "pods")]
    pub what: What,
    /// Of which lab.
    #[command(flatten)]
    pub lab: LabArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What `get` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The lab's pods.
    #[value(alias = "pod", alias = "po")]
    Pods,
    /// The lab's services.
    #[value(alias = "service", alias = "svc")]
    Services,
    /// The labs of this host.
    #[value(alias = "lab")]
    Labs,
}

/// `exec`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab exec client -- curl -s http://server:8080/\n  sidelab exec client -- bash\n  sidelab exec server -- tcpdump -ni eth0"
)]
pub struct ExecArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, where it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The container in whose environment, with its files [default: the first]
    #[arg(short = 'c', long)]
    pub container: Option<String>,
    /// Of which lab.
    #[command(flatten)]
    pub lab: LabArgs,
    /// The command: any program of this host
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// `logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "Standard output and standard error of a container, as they came. A log that has grown to 16 MiB keeps its newest 8 MiB, and says so.\n\nExamples:\n  sidelab logs server\n  sidelab logs client -c istio-proxy --tail 5\n  sidelab logs client -c istio-proxy -f"
)]
pub struct LogsArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, where it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The container; `istio-proxy` is the sidecar: its own log, and its access log [default: the first]
    #[arg(short = 'c', long)]
    pub container: Option<String>,
    /// Go on with what is written until Ctrl-C, or the end of the lab
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Show the last lines only
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// Of which lab.
    #[command(flatten)]
    pub lab: LabArgs,
}

/// `down`.
#[derive(Debug, Args)]
#[command(
    after_help = "Only what `up`, `run` or `bench` made is removed: whatever else lies in the folder of labs is left alone, and named.\n\nExamples:\n  sidelab down\n  sidelab down sl-3f9a\n  sidelab down --all\n  sidelab down --all --force    also what another process is using"
)]
pub struct DownArgs {
    /// The lab's id [default: the only one that is up]
    #[arg(value_name = "ID", conflicts_with = "all")]
    pub lab: Option<String>,
    /// Every lab of this host, also those that a killed process left behind
    #[arg(long)]
    pub all: bool,
    /// With --all: also the labs that another process, such as a run, is using
    #[arg(long, requires = "all")]
    pub force: bool,
}

/// `keep-logs`, which a lab that stays up runs by itself.
#[derive(Debug, Args)]
pub struct KeepLogsArgs {
    /// The lab's folder
    pub folder: PathBuf,
}
