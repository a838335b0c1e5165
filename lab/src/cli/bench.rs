//! `sidelab bench`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{DataPlaneChoice, OutputArgs, RootArgs};
use crate::bench::measure::Measure;

/// `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelab bench --quick                        the answers within 90 seconds\n  \
                  sidelab bench handshake --data-plane both    with the real Envoy beside\n  \
                  sidelab bench throughput --layering mesh,double --budget 30\n\n\
                  A layering is measured when the wire has shown that it carries what it is named for. An interval is of 95 %.")]
pub struct BenchArgs {
    /// What to measure; all by default
    #[arg(value_name = "MEASURE", value_enum)]
    pub measures: Vec<MeasureChoice>,
    /// Which layerings, by name; all by default
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub layering: Vec<String>,
    /// On which data planes
    #[arg(long, value_enum, default_value = "native")]
    pub data_plane: DataPlaneChoice,
    /// Measure for about so many seconds [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub budget: Option<u32>,
    /// A short bench: 60 seconds of measuring
    #[arg(long, conflicts_with = "budget")]
    pub quick: bool,
    /// Write everything, with all samples, to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where scenarios are; layerings lie beside them, in benches/layerings.
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeasureChoice {
    /// New connections: time to the first byte, CPU.
    Handshake,
    /// Requests on an open connection: time to the first byte, CPU.
    Latency,
    /// Bytes over an open connection: a second, and CPU for each GiB.
    Throughput,
    /// Memory of idle connections.
    Memory,
    /// All of it.
    All,
}

impl BenchArgs {
    /// What to measure, in the order in which it is shown.
    pub fn measures(&self) -> Vec<Measure> {
        let chosen = |measure: &Measure| {
            self.measures.is_empty()
                || self.measures.iter().any(|choice| match choice {
                    MeasureChoice::All => true,
                    MeasureChoice::Handshake => *measure == Measure::Handshake,
                    MeasureChoice::Latency => *measure == Measure::Latency,
                    MeasureChoice::Throughput => *measure == Measure::Throughput,
                    MeasureChoice::Memory => *measure == Measure::Memory,
                })
        };
        Measure::ALL.into_iter().filter(chosen).collect()
    }

    /// How long to measure.
    pub fn budget(&self) -> Duration {
        Duration::from_secs(if self.quick { 60 } else { self.budget.unwrap_or(300).into() })
    }
}
