//! `sidelab run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};

use super::common::{DataPlaneChoice, MeshChoice, RootArgs, claim};
use crate::select::Shard;

const SELECTION: &str = "Which calls";

/// `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelab run\n  sidelab run strict permissive --mesh istio --data-plane both\n  sidelab run --data-plane both --html report.html --json out.json --junit out.xml\n  sidelab run strict --pcap captures && tshark -r captures/strict-istio-native.pcapng\n  sidelab run --claim C27 --fail-fast\n  sidelab run strict --probe 'http over IPv4' --mesh istio\n  sidelab run --shard 1/4 --junit out.xml --summary \"$GITHUB_STEP_SUMMARY\" -o github"
)]
pub struct RunArgs {
    /// Scenarios by name, their folders, or folders of scenarios; all by default
    #[arg(value_name = "NAME|DIR")]
    pub names: Vec<String>,
    /// Only calls that put this claim to the test, such as C27; may be repeated
    #[arg(long, value_name = "CLAIM", value_delimiter = ',', value_parser = claim, help_heading = SELECTION)]
    pub claim: Vec<String>,
    /// Only calls with this in their name, in capitals or not; may be repeated
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new(), help_heading = SELECTION)]
    pub probe: Vec<String>,
    /// Only the K-th of N parts of the scenarios, such as 1/4: for N machines side by side
    #[arg(long, value_name = "K/N", help_heading = SELECTION)]
    pub shard: Option<Shard>,
    /// Begin no further lab once a call went otherwise than it should
    #[arg(long)]
    pub fail_fast: bool,
    /// In which meshes
    #[arg(long, value_enum, default_value = "both")]
    pub mesh: MeshChoice,
    /// On which data planes
    #[arg(long, value_enum, default_value = "native")]
    pub data_plane: DataPlaneChoice,
    /// Write the whole report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the verdicts to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report to look at to this file: one HTML page that holds everything it shows
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a summary to this file, as Markdown; it is added to what is there where the file is $GITHUB_STEP_SUMMARY
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Write where the two meshes were seen to differ to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    pub differences: Option<PathBuf>,
    /// Write what was captured, with the keys that open it, to this folder: one pcapng file for each lab
    #[arg(long, value_name = "FOLDER")]
    pub pcap: Option<PathBuf>,
    /// How many labs run side by side
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Where scenarios are.
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: RunOutput,
}

/// How a run is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RunOutput {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// As the table, and an annotation for each call that went otherwise than it should, as GitHub Actions shows them.
    Github,
}

fn default_jobs() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u16::try_from(cores).unwrap_or(2).clamp(1, 8) * 2
}
