//! What a bench found, with all its samples. Its JSON is `sidelab.bench/v1`.

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

/// The contract's name.
pub const SCHEMA: &str = "sidelab.bench/v1";

/// A bench.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct BenchReport {
    /// `sidelab.bench/v1`.
    pub schema: String,
    /// The version of the program that made it.
    pub version: String,
    /// If it began.
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

/// A machine, as far as figures depend on it.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
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
        let measured = self.measured();
        let answers = answers::all(measured);
        let parts = parts::all(measured);
        let round_trips = round_trips::all(measured);
        let targets = targets::all(measured);
        (self.answers, self.parts, self.round_trips, self.targets) = (answers, parts, round_trips, targets);
    }

    /// All that conclusions are drawn from.
    pub fn measured(&self) -> Measured<'_> {
        let Self { layerings, rtts, series, .. } = self;
        Measured { layerings, rtts, series }
    }
}
