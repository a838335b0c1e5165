//! What a bench found, with all its samples. Its JSON is `sidelab.bench/v1`.

use std::{collections::BTreeMap, fs, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    answers::{self, Answer},
    layering::{Layering, Refuted},
    measure::Measure,
    rtt::Rtt,
    sample::Sample,
    setup::{Settings, Setup},
};

/// The contract's name.
pub const SCHEMA: &str = "sidelab.bench/v1";

/// A bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// `sidelab.bench/v1`.
    pub schema: String,
    /// The version of the program that made it.
    pub version: String,
    /// When it began.
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// On what it ran.
    pub machine: Machine,
    /// What all series have in common.
    pub settings: Settings,
    /// The round trips that were asked for, and what they took.
    #[serde(default)]
    pub rtts: Vec<Rtt>,
    /// What was measured, as it was seen on the wire.
    pub layerings: Vec<Layering>,
    /// What was not, since the wire showed something else.
    pub refuted: Vec<Refuted>,
    /// What disturbed it, as was said before.
    pub warnings: Vec<String>,
    /// What ended early, since an operation failed.
    pub failed: Vec<Failed>,
    /// Every sample.
    pub series: Vec<Series>,
    /// What it comes to, in words.
    pub answers: Vec<Answer>,
}

/// One measure of one layering under one setup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The layering's name.
    pub layering: String,
    /// Under what; in JSON its fields are the series's.
    #[serde(flatten)]
    pub setup: Setup,
    /// What was measured.
    pub measure: Measure,
    /// Operations in each sample.
    pub operations: u64,
    /// Of an open loop: how many were meant to begin a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<f64>,
    /// The samples, one a round.
    pub samples: Vec<Sample>,
}

/// A series that ended early: what fails costs something else than what works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// The layering's name.
    pub layering: String,
    /// Under what.
    #[serde(flatten)]
    pub setup: Setup,
    /// What was measured.
    pub measure: Measure,
    /// What failed.
    pub why: String,
}

/// A machine, as far as figures depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of it this process may use.
    pub cpus: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let field = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            line.map(|value| value.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kib: Option<u64> = memory.and_then(|text| text.strip_suffix("kB")?.trim().parse().ok());
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.unwrap_or(0) * 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().into(),
        }
    }
}

/// Samples of one measure, by layering and setup.
pub type Samples<'a> = BTreeMap<(&'a str, Setup), &'a [Sample]>;

impl BenchReport {
    /// Puts a bench together, and draws the answers from it.
    pub fn new(
        (started, took): (jiff::Timestamp, Duration),
        (settings, warnings): (Settings, Vec<String>),
        (layerings, refuted): (Vec<Layering>, Vec<Refuted>),
        (series, failed): (Vec<Series>, Vec<Failed>),
    ) -> Self {
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started,
            seconds: took.as_secs_f64(),
            machine: Machine::this(),
            settings,
            rtts: Vec::new(),
            layerings,
            refuted,
            warnings,
            failed,
            series,
            answers: Vec::new(),
        };
        report.answers = report.setups().into_iter().flat_map(|setup| answers::all(&report, setup)).collect();
        report
    }

    /// The setups, in the order of their measuring.
    pub fn setups(&self) -> Vec<Setup> {
        let mut setups: Vec<Setup> = self.series.iter().map(|series| series.setup).collect();
        setups.sort();
        setups.dedup();
        setups
    }

    /// The samples of a measure.
    pub fn samples(&self, measure: Measure) -> Samples<'_> {
        let of_measure = self.series.iter().filter(|series| series.measure == measure);
        of_measure.map(|series| ((series.layering.as_str(), series.setup), &series.samples[..])).collect()
    }
}
