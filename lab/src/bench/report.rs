//! The results of a bench, with all samples. Its JSON is `sidelab.bench/v1`.

use std::{fs, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::{self, Answer},
    layering::{Layering, Refuted},
    parts::{self, Parts},
    round_trips::{self, RoundTrips},
    rtt::Rtt,
    series::{Failed, Measured, Series},
    setup::Settings,
    targets::{self, Target},
};
use crate::usage;

/// The version of [`BenchReport`].
pub const SCHEMA: &str = "sidelab.bench/v1";

/// The results of a bench.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct BenchReport {
    /// `sidelab.bench/v1`.
    pub schema: String,
    /// The version of the program that made it.
    pub version: String,
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The machine that it ran on.
    pub machine: Machine,
    /// The settings that all series share.
    pub settings: Settings,
    /// The requested round trips, and their measured values.
    #[serde(default)]
    pub rtts: Vec<Rtt>,
    /// The measured layerings, as seen on the wire.
    pub layerings: Vec<Layering>,
    /// Layerings that were not measured because they carried something else.
    pub refuted: Vec<Refuted>,
    /// Disturbances detected at the start.
    pub warnings: Vec<String>,
    /// Series that ended early because an operation failed.
    pub failed: Vec<Failed>,
    pub series: Vec<Series>,
    /// The answers to the claims.
    pub answers: Vec<Answer>,
    /// What each part of a layering costs.
    #[serde(default)]
    pub parts: Vec<Parts>,
    /// How many round trips a new connection takes, if several round trips were measured.
    #[serde(default)]
    pub round_trips: Vec<RoundTrips>,
    /// Native compared with Envoy, if both were measured.
    #[serde(default)]
    pub targets: Vec<Target>,
}

/// The properties of a machine that affect figures.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    /// How many CPUs this process can use.
    pub cpus: usize,
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// The current machine.
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
    /// Assembles a bench, and computes its conclusions.
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

    /// Recomputes the conclusions from the series.
    pub fn conclude(&mut self) {
        let measured = self.measured();
        let answers = answers::compute(measured);
        let parts = parts::compute(measured);
        let round_trips = round_trips::compute(measured);
        let targets = targets::compute(measured);
        (self.answers, self.parts, self.round_trips, self.targets) = (answers, parts, round_trips, targets);
    }

    /// The input of the conclusions.
    pub fn measured(&self) -> Measured<'_> {
        let Self { layerings, rtts, series, .. } = self;
        Measured { layerings, rtts, series }
    }
}
