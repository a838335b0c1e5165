//! `sidelab up`, and the commands for a running lab: `get`, `exec`, `logs`, `down`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use demo_apps::duration;

use super::{
    common::{ConfinementArgs, LabArgs, OneMesh, OutputArgs},
    control_plane::ControlPlaneArgs,
    stand_ins::StandInArgs,
};
use crate::data_plane::DataPlane;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab up -f scenarios/strict/manifests.yaml\n  sidelab exec client -- curl -s http://server:8080/\n  sidelab down\n  sidelab up -f app.yaml --lab shop --for 30m\n  sidelab up -f app.yaml --image redis=redis-server --images images.txt\n  istioctl proxy-config all client -o json > client.json\n  sidelab up --config-dump client.json,server.json     what two real sidecars run, with keys of the lab's"
)]
pub struct UpArgs {
    /// A file of manifests, a folder of them, or - for standard input; can be repeated
    #[arg(short = 'f', long = "filename", value_name = "FILE", required_unless_present = "config_dump")]
    pub files: Vec<PathBuf>,
    /// Run the config_dump of real sidecars instead of manifests: a pod for each, with certificates of a mesh authority of the lab's
    #[arg(long, value_name = "CLIENT.json,SERVER.json", conflicts_with_all = ["files", "control_plane", "mesh"], value_delimiter = ',', num_args = 1)]
    pub config_dump: Vec<PathBuf>,
    /// The mesh to use
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: OneMesh,
    #[command(flatten)]
    pub control_plane: ControlPlaneArgs,
    /// The proxy to use as sidecars
    #[arg(long, value_enum, default_value = "native")]
    pub data_plane: OneDataPlane,
    #[command(flatten)]
    pub stand_ins: StandInArgs,
    #[command(flatten)]
    pub confinement: ConfinementArgs,
    /// Run each sidecar with N workers, as Istio does with ProxyConfig's `concurrency`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub concurrency: u32,
    /// Name the lab, for --lab of other commands
    #[arg(long = "lab", value_name = "NAME", value_parser = lab_name)]
    pub name: Option<String>,
    /// Remove the lab after this time, such as 30m
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse_limit)]
    pub time: Option<Duration>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Reads a lab's name, as Kubernetes reads names.
fn lab_name(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=63).contains(&text.len()) || !text.bytes().all(is_allowed) || text.starts_with('-') || text.ends_with('-')
    {
        return Err(
            "a name is 1 to 63 lower-case letters, digits and `-`, with a letter or a digit at both ends".into()
        );
    }
    if text.starts_with("sl-") {
        return Err("names that begin with sl- are ids of labs".into());
    }
    Ok(text.to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OneDataPlane {
    /// `sidecar-proxy`, sidelab's own proxy.
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

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab exec client -- curl -s http://server:8080/\n  sidelab exec -it client -- bash\n  sidelab exec client -c istio-proxy -- curl -s http://server:8080/     as the sidecar's user: not redirected\n  sidelab exec server -- tcpdump -ni eth0\n\nIn a lab without root the redirects exempt the sidecar's packets by a mark instead of its user: programs beside it are redirected."
)]
pub struct ExecArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Use this container's environment, files and user; `istio-proxy` is the sidecar [default: the first]
    #[arg(short = 'c', long)]
    pub container: Option<String>,
    /// Pass standard input on, which is always done
    #[arg(short = 'i', long)]
    pub stdin: bool,
    /// Use the terminal, which a command has if this program has one
    #[arg(short = 't', long)]
    pub tty: bool,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    /// The command: any program of this host
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Standard output and standard error of a container, interleaved. A log that reaches 16 MiB is cut to its newest 8 MiB, with a note.\n\nExamples:\n  sidelab logs server\n  sidelab logs client -c istio-proxy --tail 5\n  sidelab logs client -c istio-proxy -f\n  sidelab logs client -c istio-proxy --since 10s"
)]
pub struct LogsArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// The container; `istio-proxy` is the sidecar, with its log and access log [default: the first]
    #[arg(short = 'c', long)]
    pub container: Option<String>,
    /// Follow the log until Ctrl-C, or the end of the lab
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Show the log of the instance before the last restart; there is none, since a program that is started again goes on in the same log
    #[arg(short = 'p', long)]
    pub previous: bool,
    /// Show only what was written in this time, such as 10s or 5m, or up to a second before it
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub since: Option<Duration>,
    /// Show only this many lines from the end
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The istio_* metrics are those of Istio's sidecars, with the same labels. Over HTTP, sidecars on istiod's files tell each other their workload;\notherwise only a peer's principal and namespace are known, from its certificate. Stock Envoy has no istio_* metrics.\n\nExamples:\n  sidelab metrics client\n  sidelab metrics client -o json\n  sidelab metrics server --all"
)]
pub struct MetricsArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Show the proxy's own metrics, too
    #[arg(long)]
    pub all: bool,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Only what `up`, `run` or `bench` created is removed: anything else in the lab folder is listed and left alone.\n\nExamples:\n  sidelab down\n  sidelab down sl-3f9a\n  sidelab down --all\n  sidelab down --all --force    also labs that another process is using"
)]
pub struct DownArgs {
    /// The lab's id or name [default: the only one that is up]
    #[arg(value_name = "LAB", conflicts_with = "all")]
    pub lab: Option<String>,
    /// All labs of this host, including those that a killed process left behind
    #[arg(long)]
    pub all: bool,
    /// With --all: include labs that another process, such as a run, is using
    #[arg(long, requires = "all")]
    pub force: bool,
}
