//! `sidelab run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};

use super::{
    common::{ConfinementArgs, DataPlaneChoice, MeshChoice, RootArgs, claim},
    control_plane::ControlPlaneArgs,
    stand_ins::StandInArgs,
};
use crate::{api_server::ApiServer, select::Shard};

const SELECTION: &str = "Which calls";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab run\n  sidelab run strict permissive --mesh istio --data-plane both\n  sidelab run --data-plane both --html report.html --json out.json --junit out.xml\n  sidelab run strict --pcap captures && tshark -r captures/strict-istio-native.pcapng\n  sidelab run --claim C27 --fail-fast\n  sidelab run strict --probe 'http over IPv4' --mesh istio\n  sidelab run --control-plane istiod --data-plane both\n  sidelab run webhook-strict webhook-fixes --api-server real\n  sidelab run --shard 1/4 --junit out.xml --summary \"$GITHUB_STEP_SUMMARY\" -o github"
)]
pub struct RunArgs {
    /// Scenarios by name, their folders, or folders of scenarios; all by default
    #[arg(value_name = "NAME|DIR")]
    pub names: Vec<String>,
    /// Only calls that test this claim, such as C27; can be repeated
    #[arg(long, value_name = "CLAIM", value_delimiter = ',', value_parser = claim, help_heading = SELECTION)]
    pub claim: Vec<String>,
    /// Only calls with this text in their name, ignoring case; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new(), help_heading = SELECTION)]
    pub probe: Vec<String>,
    /// Only the K-th of N parts of the scenarios, such as 1/4: one part per machine
    #[arg(long, value_name = "K/N", help_heading = SELECTION)]
    pub shard: Option<Shard>,
    /// Start no more labs once a call did not go as expected
    #[arg(long)]
    pub fail_fast: bool,
    /// Repeat rotations as often as scenarios say for a longer run, such as every second for a minute
    #[arg(long)]
    pub soak: bool,
    /// The meshes to run in [default: both; with --control-plane istiod: istio]
    #[arg(long, value_enum)]
    pub mesh: Option<MeshChoice>,
    #[command(flatten)]
    pub control_plane: ControlPlaneArgs,
    /// The API server that calls webhooks. real is kube-apiserver itself; scripts/kube-apiserver builds it
    #[arg(long, value_enum, default_value_t)]
    pub api_server: ApiServer,
    /// The data planes to run on
    #[arg(long, value_enum, default_value = "native")]
    pub data_plane: DataPlaneChoice,
    /// Write the whole report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the verdicts to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report to this file, as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a summary to this file, as Markdown; $GITHUB_STEP_SUMMARY is appended to
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Write the differences seen between the two meshes to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub differences: Option<PathBuf>,
    /// Write the captures, with the keys that decrypt them, to this folder: one pcapng file per lab
    #[arg(long, value_name = "FOLDER")]
    pub pcap: Option<PathBuf>,
    #[command(flatten)]
    pub stand_ins: StandInArgs,
    #[command(flatten)]
    pub confinement: ConfinementArgs,
    /// How many labs run concurrently
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: RunOutput,
}

/// The output format of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RunOutput {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// The table, and a GitHub Actions annotation for each call that did not go as expected.
    Github,
}

fn default_jobs() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(2).clamp(1, 8) * 2
}
