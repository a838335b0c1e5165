//! The command line, after the habits of kubectl and istioctl.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mesh::account::AppProtocol;

mod bench;
mod by_hand;
mod common;
mod control_plane;
mod delay;
mod run;
mod shell;

pub use bench::{
    BenchArgs, BenchOutput, CompareArgs, CompareOutput, KeptCommand, MeasureChoice, SettingsArgs, ShowArgs,
};
pub use by_hand::{DownArgs, ExecArgs, GetArgs, KeepLogsArgs, LogsArgs, OneDataPlane, UpArgs, What};
pub use common::{DataPlaneChoice, LabArgs, ManifestArgs, MeshChoice, OneMesh, Output, OutputArgs, RootArgs};
pub use control_plane::{DiffArgs, IstiodArgs};
pub use delay::DelayArgs;
pub use run::{RunArgs, RunOutput};
pub use shell::{CompletionArgs, ManArgs};

use common::claim;

const EXAMPLES: &str = "\
Examples:
  sidelab run                                   every scenario, in both meshes
  sidelab run strict --data-plane both          one scenario, with the real Envoy beside
  sidelab explain -f app.yaml --from client --to server:8080 --app http
  sidelab config server -f app.yaml --iptables  the redirects of one pod
  sidelab up -f app.yaml                        a lab to work in by hand
  sidelab exec client -- curl http://server:8080/
  sidelab down

Exit codes: 0 all as expected, 1 a verdict failed, 2 wrong use or bad input, 3 this host can't do it.";

/// A sidecar TLS lab on one Linux box: runs pods with sidecars in network namespaces, opens what goes over each leg, and
/// says what was expected, predicted and seen.
#[derive(Debug, Parser)]
#[command(name = "sidelab", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Whether to print in colour.
    #[command(flatten)]
    pub color: colorchoice_clap::Color,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what this host can do, and how to mend what it can't
    Doctor(OutputArgs),
    /// Check manifests as the API server and Istio's webhook would
    Validate(ValidateArgs),
    /// Predict one call, leg by leg, and name the policy that decides each step
    Explain(ExplainArgs),
    /// Show what the compiler makes for one pod
    Config(ConfigArgs),
    /// Show what the real Istio control plane makes of manifests
    Istiod(IstiodArgs),
    /// Show where the compiler's files differ from those of the real Istio control plane, and why
    Diff(DiffArgs),
    /// List the scenarios, with what each shows
    Scenarios(ScenariosArgs),
    /// List the claims, and what was seen of each in the last run
    Claims(ClaimsArgs),
    /// Run scenarios and judge them: the main job
    Run(RunArgs),
    /// Measure what each layering of TLS costs: handshakes, requests, bytes, memory
    Bench(BenchArgs),
    /// Bring manifests up as a lab that stays, to work in by hand
    Up(UpArgs),
    /// Show the pods or services of a lab that is up, or the labs of this host
    Get(GetArgs),
    /// Run a command in a pod of a lab that is up
    Exec(ExecArgs),
    /// Show the logs of a pod of a lab that is up
    Logs(LogsArgs),
    /// Make round trips between the pods of a lab that is up take longer, until Ctrl-C
    Delay(DelayArgs),
    /// Remove a lab that is up, or all
    Down(DownArgs),
    /// Keep the logs of a lab short until it is gone
    #[command(hide = true)]
    KeepLogs(KeepLogsArgs),
    /// Print what completes sidelab's commands in a shell
    Completion(CompletionArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(ManArgs),
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// What to check.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// Refuse what is set aside though it may change an answer, such as a NetworkPolicy
    #[arg(long)]
    pub strict: bool,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: ValidateOutput,
}

/// How to print the faults of manifests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateOutput {
    /// A line each: FILE:LINE:COLUMN: document N (KIND NAME): FIELD: message
    #[default]
    Table,
    /// sidelab.validate/v1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sidelab explain -f app.yaml --from client --to server:8080 --app http --mesh both -o json"
)]
pub struct ExplainArgs {
    /// The mesh, from its manifests.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required_unless_present = "config_dump")]
    pub files: Vec<PathBuf>,
    /// The mesh, from the config_dump of two real sidecars
    #[arg(long, value_name = "CLIENT.json,SERVER.json", conflicts_with = "files", value_delimiter = ',', num_args = 1)]
    pub config_dump: Vec<PathBuf>,
    /// The calling pod, POD or POD.NAMESPACE
    #[arg(long, value_name = "POD")]
    pub from: String,
    /// What it dials: a name as the pod resolves it, or an address
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,
    /// What the app sends
    #[arg(long, default_value = "http", value_parser = app_protocol)]
    pub app: AppProtocol,
    /// Use IPv6, where the host has both
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Ask for one subset of a DestinationRule, as a route of a VirtualService would
    #[arg(long, value_name = "NAME")]
    pub subset: Option<String>,
    /// In which mesh
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: MeshChoice,
    /// The namespace of --from, where it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The mesh.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// In which mesh
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: OneMesh,
    /// The namespace of POD, where it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Its listeners
    #[arg(long, group = "part")]
    pub listeners: bool,
    /// Its routes
    #[arg(long, group = "part")]
    pub routes: bool,
    /// Its clusters
    #[arg(long, group = "part")]
    pub clusters: bool,
    /// Its endpoints
    #[arg(long, group = "part")]
    pub endpoints: bool,
    /// Its secrets; keys are redacted
    #[arg(long, group = "part")]
    pub secrets: bool,
    /// Its redirects, as iptables-restore and ip6tables-restore read them
    #[arg(long, group = "part")]
    pub iptables: bool,
    /// The PeerAuthentication modes in force
    #[arg(long, group = "part")]
    pub policy: bool,
    /// With --iptables: one family alone
    #[arg(long, value_enum, requires = "iptables")]
    pub family: Option<FamilyChoice>,
    /// With --iptables: the rules as in a user namespace, by mark in place of uid
    #[arg(long, requires = "iptables")]
    pub rootless: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FamilyChoice {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// `scenarios`.
#[derive(Debug, Args)]
pub struct ScenariosArgs {
    /// Only those that put this claim to the test, such as C37
    #[arg(long, value_parser = claim)]
    pub claim: Option<String>,
    /// Only those that reproduce this failure, such as F7
    #[arg(long)]
    pub signature: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `claims`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab run && sidelab claims\n  sidelab claims C27 C29\n  sidelab claims --report out.json -o json"
)]
pub struct ClaimsArgs {
    /// Only these, such as C37; all by default
    #[arg(value_name = "CLAIM", value_parser = claim)]
    pub names: Vec<String>,
    /// What was seen, as `sidelab run --json FILE` wrote it [default: what the last run saw]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where scenarios are.
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn app_protocol(text: &str) -> Result<AppProtocol, String> {
    match text {
        "http" => Ok(AppProtocol::Http),
        "h2" => Ok(AppProtocol::H2),
        "https" => Ok(AppProtocol::Https),
        "tcp" => Ok(AppProtocol::Tcp),
        _ => Err("expected http, h2, https or tcp".into()),
    }
}
