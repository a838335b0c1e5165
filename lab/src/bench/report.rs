//! What a bench found, with all its samples. Its JSON is `sidelab.bench/v1`.

use std::{fs, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    answers::{self, Answer},
    figures::Figure,
    layering::{Layering, Refuted},
    measure::Measure,
    parts::{self, Parts},
    round_trips::{self, RoundTrips},
    rtt::Rtt,
    sample::Sample,
    setup::{Settings, Setup},
    targets::{self, Target},
};
use crate::usage;

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
    /// What each part of a layering costs.
    #[serde(default)]
    pub parts: Vec<Parts>,
    /// How many round trips a new connection takes, where several distances were measured.
    #[serde(default)]
    pub round_trips: Vec<RoundTrips>,
    /// Native held to Envoy, where both were measured.
    #[serde(default)]
    pub targets: Vec<Target>,
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
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.trim_start().strip_prefix(':'));
        Self {
            cpu: model.unwrap_or("unknown").trim().into(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: usage::memory("MemTotal:").unwrap_or(0),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().into(),
        }
    }
}

impl BenchReport {
    /// Puts a bench together, and draws from its series what they come to.
    pub fn new(
        (started, took): (jiff::Timestamp, Duration),
        (settings, warnings, rtts): (Settings, Vec<String>, Vec<Rtt>),
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
            rtts,
            layerings,
            refuted,
            warnings,
            failed,
            series,
            answers: Vec::new(),
            parts: Vec::new(),
            round_trips: Vec::new(),
            targets: Vec::new(),
        };
        report.conclude();
        report
    }

    /// Draws anew from the series what they come to.
    pub fn conclude(&mut self) {
        self.answers = answers::all(self);
        self.parts = parts::all(self);
        self.round_trips = round_trips::all(self);
        self.targets = targets::all(self);
    }

    /// The setups, in the order of their measuring.
    pub fn setups(&self) -> Vec<Setup> {
        let mut setups: Vec<Setup> = self.series.iter().map(|series| series.setup).collect();
        setups.sort();
        setups.dedup();
        setups
    }

    /// A figure of a layering, sample by sample, in the figure's unit; nothing where it was not measured.
    pub fn values(&self, layering: &str, setup: Setup, measure: Measure, figure: Figure) -> Option<Vec<f64>> {
        let is_asked =
            |series: &&Series| series.layering == layering && series.setup == setup && series.measure == measure;
        let samples = &self.series.iter().find(is_asked)?.samples;
        let values: Vec<f64> = samples.iter().map(|sample| figure.of(measure, sample)).collect();
        (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
    }
}
