//! The command line, in the style of kubectl and istioctl.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use demo_apps::server::Protocol as Speaks;
use http::{HeaderName, HeaderValue, Method};
use mesh::{account::AppSpeaks, stand_in};

use crate::request;

mod bench;
mod by_hand;
mod change;
mod common;
mod control_plane;
mod cp;
mod delay;
mod diagnose;
mod fault;
mod import;
mod look;
mod proxy;
mod rotate;
mod run;
mod shell;
mod stand_ins;
mod wire;

pub use bench::{
    BenchArgs, BenchOutput, CompareArgs, CompareOutput, KeptCommand, MeasureChoice, SettingsArgs, ShowArgs,
};
pub use by_hand::{DownArgs, ExecArgs, LogsArgs, MetricsArgs, OneDataPlane, UpArgs};
pub use change::{ApplyArgs, ChangeArgs, DeleteArgs, DryRun, EditArgs};
pub use common::{
    AppChoice, DataPlaneChoice, LabArgs, ManifestArgs, MeshChoice, OneMesh, Output, OutputArgs, Place, RootArgs,
};
pub use control_plane::{ControlPlaneArgs, ControlPlaneChoice, DiffArgs, IstiodArgs};
pub use cp::{CpArgs, FileSpec};
pub use delay::DelayArgs;
pub use diagnose::DiagnoseArgs;
pub use fault::{FaultArgs, FaultCommand, OneProgram, TwoPods};
pub use import::ImportArgs;
pub use look::{DescribeArgs, GetArgs, GetOutput};
pub use proxy::{CertsArgs, ProxyArgs, ProxyConfigArgs, ProxyOutput, ProxyPart, ProxyStatusArgs, SidecarsArgs};
pub use rotate::{RootOrder, RotateArgs};
pub use run::{RunArgs, RunOutput};
pub use shell::{CompletionArgs, ManArgs};
pub use stand_ins::{StandInArgs, StandInChoice};
pub use wire::{CaptureArgs, PortForwardArgs, WatchArgs};

use common::{app_choice, claim};

const EXAMPLES: &str = "\
Examples:
  sidelab run                                   every scenario, in both meshes
  sidelab run strict --data-plane both          one scenario, also with the real Envoy
  sidelab explain -f app.yaml --from client --to server:8080 --app http
  sidelab config server -f app.yaml --iptables  the redirects of one pod
  sidelab up -f app.yaml                        a lab to work in by hand
  sidelab exec client -- curl http://server:8080/
  sidelab down

Exit codes: 0 all as expected, 1 a verdict failed, 2 wrong use or bad input, 3 this host can't do it.";

/// A TLS lab for service-mesh sidecars on one Linux machine: runs pods with sidecars in network namespaces, decrypts every leg,
/// and compares what was expected, predicted and seen.
#[derive(Debug, Parser)]
#[command(name = "sidelab", version, after_help = EXAMPLES, disable_help_subcommand = true, args_override_self = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// When to print in colour.
    #[command(flatten)]
    pub color: colorchoice_clap::Color,
}

/// A subcommand with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what this host can do, and how to fix what it can't
    Doctor(OutputArgs),
    /// Check manifests as the API server and Istio's webhook would
    Validate(ValidateArgs),
    /// Predict one call, leg by leg, and name the policy that decides each step
    Explain(ExplainArgs),
    /// Name the causes that an error message or a line of an access log can have
    Diagnose(DiagnoseArgs),
    /// Make a folder of manifests from what kubectl prints of a cluster
    Import(ImportArgs),
    /// Show the configuration compiled for one pod
    Config(ConfigArgs),
    /// Show what the real Istio control plane generates from manifests
    Istiod(IstiodArgs),
    /// Show where the compiler's files differ from those of the real Istio control plane, and why
    Diff(DiffArgs),
    /// List the scenarios, with what each shows
    Scenarios(ScenariosArgs),
    /// List the claims, with what the last run saw of each
    Claims(ClaimsArgs),
    /// Run scenarios and check every call
    Run(RunArgs),
    /// Measure what each layering of TLS costs: handshakes, requests, bytes, memory
    Bench(BenchArgs),
    /// Bring up manifests as a lab to work in by hand
    Up(UpArgs),
    /// Apply manifests to a running lab, as kubectl does
    Apply(ApplyArgs),
    /// Delete objects from a running lab
    Delete(DeleteArgs),
    /// Edit an object of a running lab in an editor, and apply it
    Edit(EditArgs),
    /// Replace the certificates of a running lab's sidecars, or the root that signs them
    Rotate(RotateArgs),
    /// Show pods, services and other objects of a running lab, or the labs of this host
    Get(GetArgs),
    /// Show a pod of a running lab with its policies, certificates and filter chains
    Describe(DescribeArgs),
    /// Show the configuration in use of a pod's sidecar, as istioctl does
    #[command(visible_alias = "pc")]
    ProxyConfig(ProxyConfigArgs),
    /// Show whether the sidecars have taken their newest files, as istioctl does
    #[command(visible_alias = "ps")]
    ProxyStatus(ProxyStatusArgs),
    /// Show the certificates of the sidecars, with the time that is left
    Certs(CertsArgs),
    /// Capture the packets of a pod while it runs, with the keys that decrypt them
    Capture(CaptureArgs),
    /// Show the calls of a running lab as they happen, with what each leg carries
    Watch(WatchArgs),
    /// Forward ports of this host to a pod of a running lab
    PortForward(PortForwardArgs),
    /// Run a command in a pod of a running lab
    Exec(ExecArgs),
    /// Copy files and folders to and from a pod of a running lab
    Cp(CpArgs),
    /// Show the logs of a pod of a running lab
    Logs(LogsArgs),
    /// Show the metrics of a pod's sidecar in a running lab
    Metrics(MetricsArgs),
    /// Delay round trips between the pods of a lab, until Ctrl-C
    Delay(DelayArgs),
    /// Break the network between two pods, stop a program, or cut sidecars off from istiod, until it is cleared
    Fault(FaultArgs),
    /// Remove one lab, or all
    Down(DownArgs),
    /// Print a shell's completion script
    Completion(CompletionArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// The manifests to check.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// Treat skipped objects that may change an answer, such as a NetworkPolicy, as errors
    #[arg(long)]
    pub strict: bool,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: ValidateOutput,
}

/// The output format of `validate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateOutput {
    /// One line per fault: FILE:LINE:COLUMN: document N (KIND NAME): FIELD: message
    #[default]
    Table,
    /// sidelab.validate/v1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab explain -f app.yaml --from client --to server:8080 --app http --mesh both -o json
  sidelab explain -f app.yaml --from client --to server:9000 --app grpc --path /shop.Cart/Add
  sidelab explain -f app.yaml --from client --to reviews:9080 --path '/reviews?id=7' --header 'end-user: jason'
  sidelab explain -f app.yaml --from client --to mail:2525 --app tcp --speaks greeting --app-speaks greeting
  sidelab explain -f app.yaml --from client --to 203.0.113.7:443 --app https --sni shop.example.com
  sidelab explain -f app.yaml --from client --to server:8080 --control-plane istiod
  sidelab explain --from client --to server:8080    in the lab that is up: with its manifests, mesh and control plane")]
pub struct ExplainArgs {
    /// A file of manifests, a folder of them, or - for standard input; can be repeated [default: those of the lab that is up]
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The lab to work on.
    #[command(flatten)]
    pub lab: LabArgs,
    /// Read the mesh from the config_dump of two real sidecars instead of manifests
    #[arg(long, value_name = "CLIENT.json,SERVER.json", conflicts_with_all = ["files", "control_plane"], value_delimiter = ',', num_args = 1)]
    pub config_dump: Vec<PathBuf>,
    /// The calling pod, POD or POD.NAMESPACE
    #[arg(long, value_name = "POD")]
    pub from: String,
    /// The destination: a name that the pod resolves, or an address
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,
    /// The protocol that the app sends: http, h2, https, tcp, or grpc, which is short for h2 with --speaks grpc
    #[arg(long, default_value = "http", value_parser = app_choice)]
    pub app: AppChoice,
    /// The protocol within it: grpc (h2, https), h2 and grpc inside the TLS of https, greeting (tcp: the server speaks
    /// first), websocket, connect, http1.0 (http, https)
    #[arg(long, value_parser = speaks)]
    pub speaks: Option<AppSpeaks>,
    /// The method of the request [default: GET, or POST for grpc]
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub method: Option<Method>,
    /// The path and query of the request, for grpc /PACKAGE.SERVICE/METHOD [default: /]
    #[arg(long, value_name = "PATH", value_parser = request::path_and_query)]
    pub path: Option<String>,
    /// A header of the request, NAME: VALUE; can be repeated. Host is the same as --host
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The Host header or :authority [default: HOST:PORT, without the port that the scheme has by default]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The name that the app's TLS asks for and verifies [https; default: the host]
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// Have the app's TLS accept any certificate (https)
    #[arg(long)]
    pub no_verify: bool,
    /// The client certificate of the app's TLS: a PEM file, as the calling pod's first container mounts it (https)
    #[arg(long, value_name = "FILE")]
    pub cert: Option<String>,
    /// Use IPv6 if the host has both families
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Route to one subset of a DestinationRule, as a VirtualService would
    #[arg(long, value_name = "NAME")]
    pub subset: Option<String>,
    /// What the called app speaks, if the manifests don't say: http, http1, http2, grpc, https, tcp, tls, greeting or any
    #[arg(long, value_name = "PROTOCOL", value_parser = app_speaks, conflicts_with = "config_dump")]
    pub app_speaks: Option<Speaks>,
    /// The mesh to use
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: MeshChoice,
    #[command(flatten)]
    pub control_plane: ControlPlaneArgs,
    /// The namespace of --from, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    #[command(flatten)]
    pub stand_ins: StandInArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The manifests that define the mesh.
    #[command(flatten)]
    pub manifests: ManifestArgs,
    /// The mesh to use
    #[arg(long, value_enum, default_value = "istio")]
    pub mesh: OneMesh,
    #[command(flatten)]
    pub control_plane: ControlPlaneArgs,
    /// The namespace of POD, if it names none
    #[arg(short = 'n', long, default_value = crate::manifests::DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Only listeners
    #[arg(long, group = "part")]
    pub listeners: bool,
    /// Only routes
    #[arg(long, group = "part")]
    pub routes: bool,
    /// Only clusters
    #[arg(long, group = "part")]
    pub clusters: bool,
    /// Only endpoints
    #[arg(long, group = "part")]
    pub endpoints: bool,
    /// Only secrets; keys are redacted
    #[arg(long, group = "part")]
    pub secrets: bool,
    /// Only redirects, as iptables-restore and ip6tables-restore read them
    #[arg(long, group = "part")]
    pub iptables: bool,
    /// Only the PeerAuthentication modes in force
    #[arg(long, group = "part")]
    pub policy: bool,
    /// With --iptables: only one address family
    #[arg(long, value_enum, requires = "iptables")]
    pub family: Option<FamilyChoice>,
    /// With --iptables: the rules as in a user namespace, which match a mark instead of a uid
    #[arg(long, requires = "iptables")]
    pub rootless: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FamilyChoice {
    Ipv4,
    Ipv6,
}

#[derive(Debug, Args)]
pub struct ScenariosArgs {
    /// Only those that test this claim, such as C37
    #[arg(long, value_parser = claim)]
    pub claim: Option<String>,
    /// Only those that reproduce this failure, such as F7
    #[arg(long)]
    pub signature: Option<String>,
    #[command(flatten)]
    pub root: RootArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab run && sidelab claims\n  sidelab claims C27 C29\n  sidelab claims --report out.json -o json"
)]
pub struct ClaimsArgs {
    /// Only these, such as C37; all by default
    #[arg(value_name = "CLAIM", value_parser = claim)]
    pub names: Vec<String>,
    /// A report that `sidelab run --json FILE` wrote [default: the last run]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub root: RootArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

fn speaks(text: &str) -> Result<AppSpeaks, String> {
    let names: Vec<_> = AppSpeaks::ALL.iter().map(ToString::to_string).collect();
    let known = AppSpeaks::ALL.into_iter().find(|speaks| speaks.to_string() == text);
    known.ok_or_else(|| format!("expected {}", names.join(", ")))
}

fn app_speaks(text: &str) -> Result<Speaks, String> {
    match &stand_in::parse_speaks(text)?[..] {
        [(None, speaks)] => Ok(*speaks),
        _ => Err("one protocol was expected, such as tcp".into()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    request::header(name.trim(), value.trim())
}
