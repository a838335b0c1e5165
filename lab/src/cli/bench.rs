//! `sidelab bench`.

use std::{collections::BTreeSet, path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use demo_apps::duration;

use super::common::{DataPlaneChoice, RootArgs};
use crate::{
    bench::{
        compare::fail_on::FailOn,
        measure::{Group, Measure},
        pace::Pace,
        setup::Setup,
    },
    data_plane::DataPlane,
};

mod settings;
#[cfg(test)]
mod tests;

pub use settings::SettingsArgs;

/// The default budget for each lab.
const BUDGET: Duration = Duration::from_secs(300);

const LONGEST: Duration = Duration::from_secs(86_400);

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  sidelab bench --quick                                the answers within 90 seconds\n  \
                  sidelab bench handshake --data-plane native,envoy    also with the real Envoy\n  \
                  sidelab bench throughput --layering mesh,double --budget 30s\n  \
                  sidelab bench show bench.json -o csv                 a bench that --json wrote\n\n\
                  A layering is measured only if packets show that it carries what its name says. Intervals are 95 %."
)]
pub struct BenchArgs {
    /// A subcommand on earlier benches, instead of measuring.
    #[command(subcommand)]
    pub kept: Option<KeptCommand>,
    /// What to measure; everything by default, except with --quick
    #[arg(value_name = "MEASURE", value_enum)]
    pub measures: Vec<MeasureChoice>,
    /// The layerings to measure; all by default
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub layering: Vec<String>,
    /// The data planes to measure
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',', default_value = "native")]
    pub data_plane: Vec<DataPlaneChoice>,
    /// Measure for about this long [default: 5m for each data plane and number of workers]
    #[arg(long, value_name = "TIME", value_parser = budget)]
    pub budget: Option<Duration>,
    /// A short bench: 60 seconds, and only connect, request, down and idle unless measures are named
    #[arg(long, conflicts_with = "budget")]
    pub quick: bool,
    /// Write all results, including every sample, to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the results to this file as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Where scenarios are; layerings can be next to them, in benches/layerings.
    #[command(flatten)]
    pub root: RootArgs,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: BenchOutput,
    /// The conditions. Last, since its heading would apply to the options that follow.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Subcommands on benches that `--json` wrote.
#[derive(Debug, Subcommand)]
pub enum KeptCommand {
    /// Show what changed beyond noise between two benches
    Compare(CompareArgs),
    /// Show a bench again
    Show(ShowArgs),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sidelab bench --json before.json\n  sidelab bench --json after.json\n  sidelab bench compare before.json after.json --fail-on worse=5%\n\nA figure has changed if the 99 % interval of the ratio of its medians excludes 1, and the ratio deviates by at least 3 %."
)]
pub struct CompareArgs {
    /// The first bench, written by --json
    #[arg(value_name = "A.json")]
    pub first: PathBuf,
    /// The second bench
    #[arg(value_name = "B.json")]
    pub second: PathBuf,
    /// Exit with 1 if a figure of the second bench is worse beyond noise, or by at least a share, such as worse=5%
    #[arg(long, value_name = "worse[=N%]")]
    pub fail_on: Option<FailOn>,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: CompareOutput,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The bench, written by --json
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the results to this file as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How to print
    #[arg(short = 'o', long, value_enum, default_value_t)]
    pub output: BenchOutput,
}

/// The output format of a bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchOutput {
    /// For people
    #[default]
    Table,
    /// Everything, with all samples
    Json,
    /// A line for each figure, with its interval
    Csv,
    /// For github-action-benchmark with `tool: customSmallerIsBetter`: latency, CPU, memory
    SmallerIsBetter,
    /// For github-action-benchmark with `tool: customBiggerIsBetter`: rates
    BiggerIsBetter,
}

/// The output format of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CompareOutput {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// The table, and a GitHub Actions annotation for each figure that is worse
    Github,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureChoice {
    All,
    /// The measures of one group.
    Group(Group),
    One(Measure),
}

impl ValueEnum for MeasureChoice {
    fn value_variants<'a>() -> &'a [Self] {
        static CHOICES: LazyLock<Vec<MeasureChoice>> = LazyLock::new(|| {
            let groups = Group::ALL.into_iter().map(MeasureChoice::Group);
            let ones = Measure::ALL.into_iter().map(MeasureChoice::One);
            std::iter::once(MeasureChoice::All).chain(groups).chain(ones).collect()
        });
        &CHOICES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::All => PossibleValue::new("all").help("Everything"),
            Self::Group(Group::Handshake) => {
                PossibleValue::new("handshake").help("New connections: connect, connect_load")
            }
            Self::Group(Group::Latency) => {
                PossibleValue::new("latency").help("Requests on open connections: request, request_load")
            }
            Self::Group(Group::Throughput) => PossibleValue::new("throughput").help("Bulk: down, up, down_4, up_4"),
            Self::Group(Group::Memory) => PossibleValue::new("memory").help("Idle connections: idle"),
            Self::One(measure) => PossibleValue::new(measure.name()).help(measure.description()),
        })
    }
}

/// Reads a budget: a time of a second or more, or a bare number of seconds.
fn budget(text: &str) -> Result<Duration, String> {
    match duration::parse_or_seconds(text)? {
        time if (Duration::from_secs(1)..=LONGEST).contains(&time) => Ok(time),
        _ => Err("a budget is from 1s to 24h".to_owned()),
    }
}

impl BenchArgs {
    /// What to measure, in display order.
    pub fn measures(&self) -> Vec<Measure> {
        let chosen = |measure: &Measure| {
            self.measures.is_empty() && (!self.quick || Measure::QUICK.contains(measure))
                || self.measures.iter().any(|choice| match choice {
                    MeasureChoice::All => true,
                    MeasureChoice::Group(group) => measure.group() == *group,
                    MeasureChoice::One(one) => measure == one,
                })
        };
        Measure::ALL.into_iter().filter(chosen).collect()
    }

    /// The measures to repeat with longer round trips: all but memory if both were requested, else those that latency affects.
    pub fn far(&self) -> Vec<Measure> {
        let asked = self.settings.rtt.is_some() && !self.measures.is_empty();
        let is_far = |measure: &Measure| match measure {
            Measure::Connect => true,
            Measure::Request => asked || !self.quick,
            Measure::Idle => false,
            _ => asked,
        };
        self.measures().into_iter().filter(is_far).collect()
    }

    /// The data planes, each once.
    pub fn planes(&self) -> Vec<DataPlane> {
        let mut planes: Vec<DataPlane> = self.data_plane.iter().flat_map(|choice| choice.planes()).collect();
        planes.sort();
        planes.dedup();
        planes
    }

    /// How long to measure, and in what steps.
    pub fn pace(&self) -> Pace {
        if self.quick {
            return Pace::QUICK;
        }
        let labs = self
            .settings
            .setups(&self.planes(), &[Duration::ZERO])
            .into_iter()
            .map(Setup::lab)
            .collect::<BTreeSet<_>>();
        let each = u32::try_from(labs.len()).unwrap_or(1) * BUDGET;
        Pace::for_budget(self.budget.unwrap_or(each))
    }
}
