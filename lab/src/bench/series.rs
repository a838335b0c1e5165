//! What was measured: every sample, and the figures that conclusions are drawn from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{figures::Figure, layering::Layering, measure::Measure, rtt::Rtt, sample::Sample, setup::Setup};

/// One measure of one layering under one setup.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
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

/// All that conclusions are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// What was measured, as it was seen on the wire.
    pub layerings: &'a [Layering],
    /// The round trips that were asked for, and what they took.
    pub rtts: &'a [Rtt],
    /// Every sample.
    pub series: &'a [Series],
}

impl Measured<'_> {
    /// The setups, in the order of their measuring.
    pub fn setups(&self) -> Vec<Setup> {
        let mut setups: Vec<Setup> = self.series.iter().map(|series| series.setup).collect();
        setups.sort();
        setups.dedup();
        setups
    }

    /// A figure of a layering, sample by sample, in the figure's unit; `None` if it was not measured.
    pub fn values(&self, layering: &str, setup: Setup, measure: Measure, figure: Figure) -> Option<Vec<f64>> {
        let is_asked =
            |series: &&Series| series.layering == layering && series.setup == setup && series.measure == measure;
        let samples = &self.series.iter().find(is_asked)?.samples;
        let values: Vec<f64> = samples.iter().map(|sample| figure.of(measure, sample)).collect();
        (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
    }
}
