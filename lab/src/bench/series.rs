//! The measured series: every sample, and the figures for conclusions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{figures::Figure, layering::Layering, measure::Measure, rtt::Rtt, sample::Sample, setup::Setup};

/// One measure of one layering under one setup.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Series {
    pub layering: String,
    /// The conditions, flattened in JSON.
    #[serde(flatten)]
    pub setup: Setup,
    pub measure: Measure,
    /// Operations in each sample.
    pub operations: u64,
    /// For an open loop: operations due per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<f64>,
    /// The samples, one per round.
    pub samples: Vec<Sample>,
}

/// A series that ended early, since failures have different costs.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Failed {
    pub layering: String,
    #[serde(flatten)]
    pub setup: Setup,
    pub measure: Measure,
    pub why: String,
}

/// The input of the conclusions.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The measured layerings, as seen on the wire.
    pub layerings: &'a [Layering],
    /// The requested round trips, and their measured values.
    pub rtts: &'a [Rtt],
    pub series: &'a [Series],
}

impl Measured<'_> {
    /// The setups, in order of measurement.
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
        let values: Vec<f64> = samples.iter().map(|sample| figure.value(measure, sample)).collect();
        (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
    }
}
