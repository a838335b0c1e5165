//! Compares two benches: what changed beyond noise, and by how much.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    figures::{Better, Figure},
    measure::Measure,
    report::BenchReport,
    setup::Setup,
    stats::{Estimate, median},
};

#[cfg(test)]
mod tests;

pub mod fail_on;
pub mod table;

/// The version of [`Comparison`].
pub const SCHEMA: &str = "sidelab.comparison/v1";

/// The confidence of a ratio's interval. Two benches have hundreds of figures: with 95 %, five of a hundred unchanged ones
/// would appear changed.
const CONFIDENCE: f64 = 0.99;

/// The minimum share of a change: figures are not more precise.
const WORTH: f64 = 0.03;

/// The minimum number of samples per side for a bootstrap.
const ENOUGH: usize = 5;

/// The comparison of two benches.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Comparison {
    /// `sidelab.comparison/v1`.
    pub schema: String,
    /// When the first and the second bench began.
    pub started: [jiff::Timestamp; 2],
    pub versions: [String; 2],
    /// The differences in machine and settings.
    pub conditions: Vec<Condition>,
    /// The figures that both have.
    pub figures: Vec<Compared>,
    /// Series that only the first has.
    pub only_first: Vec<Only>,
    /// Series that only the second has.
    pub only_second: Vec<Only>,
}

/// A condition that differs.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Condition {
    /// Such as `machine.kernel`.
    pub name: String,
    /// The values of the first and the second; `null` if missing.
    pub values: [Value; 2],
}

/// A figure that both have.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Compared {
    pub layering: String,
    /// The conditions, flattened in JSON.
    #[serde(flatten)]
    pub setup: Setup,
    pub measure: Measure,
    pub figure: Figure,
    pub unit: String,
    /// The medians.
    pub values: [f64; 2],
    /// The second as a multiple of the first, with a 99 % interval.
    pub ratio: Estimate,
    pub change: Change,
}

/// Whether a figure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Improved, beyond noise.
    Better,
    /// Worsened, beyond noise.
    Worse,
    /// Unchanged, within noise.
    Same,
}

impl Change {
    /// The JSON name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
        }
    }
}

/// A series that only one of them has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Only {
    pub layering: String,
    /// The conditions, flattened in JSON.
    #[serde(flatten)]
    pub setup: Setup,
    pub measure: Measure,
}

pub fn compare(first: &BenchReport, second: &BenchReport) -> Comparison {
    let [of_first, of_second] = [first, second].map(series);
    let (in_both, only_first) = of_first.iter().cloned().partition::<Vec<_>, _>(|one| of_second.contains(one));
    let only_second = of_second.into_iter().filter(|one| !of_first.contains(one)).collect();
    Comparison {
        schema: SCHEMA.to_owned(),
        started: [first.started, second.started],
        versions: [first.version.clone(), second.version.clone()],
        conditions: conditions(first, second),
        figures: in_both.iter().flat_map(|one| figures(first, second, one)).collect(),
        only_first,
        only_second,
    }
}

impl Comparison {
    /// The figures that changed beyond noise.
    pub fn changed(&self) -> impl Iterator<Item = &Compared> {
        self.figures.iter().filter(|compared| compared.change != Change::Same)
    }

    /// The changed figures without a sidecar: the sidecars cannot be the cause.
    pub fn changed_without_sidecars(&self) -> impl Iterator<Item = &Compared> {
        self.changed().filter(|compared| matches!(compared.layering.as_str(), "direct" | "app-tls"))
    }
}

/// The measured series, in display order.
fn series(report: &BenchReport) -> Vec<Only> {
    let measured = report.series.iter().filter(|series| !series.samples.is_empty());
    measured
        .map(|series| Only { layering: series.layering.clone(), setup: series.setup, measure: series.measure })
        .collect()
}

/// Fields of machine and settings that differ, including those of later versions.
fn conditions(first: &BenchReport, second: &BenchReport) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let of = |report: &BenchReport| {
        [("machine", serde_json::to_value(&report.machine)), ("settings", serde_json::to_value(&report.settings))]
    };
    for ((name, first), (_, second)) in of(first).into_iter().zip(of(second)) {
        let (first, second) = (first.unwrap_or_default(), second.unwrap_or_default());
        let objects = [&first, &second].into_iter().filter_map(Value::as_object);
        let names: BTreeSet<String> = objects.flat_map(|object| object.keys().cloned()).collect();
        for field in names {
            let values = [&first, &second].map(|value| value.get(&field).cloned().unwrap_or_default());
            if values[0] != values[1] {
                conditions.push(Condition { name: format!("{name}.{field}"), values });
            }
        }
    }
    conditions
}

fn figures(first: &BenchReport, second: &BenchReport, series: &Only) -> Vec<Compared> {
    let Only { layering, setup, measure } = series;
    let compared = |figure: &Figure| {
        let values = |report: &BenchReport| report.measured().values(layering, *setup, *measure, *figure);
        let (first, second) = (values(first)?, values(second)?);
        let (ratio, change) = judge(&first, &second, figure.better())?;
        Some(Compared {
            layering: layering.clone(),
            setup: *setup,
            measure: *measure,
            figure: *figure,
            unit: figure.unit(*measure).to_owned(),
            values: [median(first), median(second)],
            ratio,
            change,
        })
    };
    measure.figures().iter().filter_map(compared).collect()
}

/// The ratio of two sets of samples, and whether it is a change.
fn judge(first: &[f64], second: &[f64], better: Better) -> Option<(Estimate, Change)> {
    let ratio = Estimate::ratio_of_independent(first, second, CONFIDENCE)?;
    let change = match better {
        _ if !is_change(first, second, &ratio) => Change::Same,
        Better::Less if ratio.value < 1.0 => Change::Better,
        Better::More if ratio.value > 1.0 => Change::Better,
        _ => Change::Worse,
    };
    Some((ratio, change))
}

/// Whether two sets of samples differ beyond noise.
fn is_change(first: &[f64], second: &[f64], ratio: &Estimate) -> bool {
    let beyond =
        if first.len().min(second.len()) < ENOUGH { are_far_apart(first, second) } else { !ratio.contains(1.0) };
    beyond && (ratio.value - 1.0).abs() >= WORTH
}

/// Whether the gap between two sets exceeds the span of either. Of three samples each that do not differ (normally distributed),
/// 0.7 % are that far apart.
fn are_far_apart(first: &[f64], second: &[f64]) -> bool {
    let span = |samples: &[f64]| {
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (least, most)
    };
    let ((low, high), (other_low, other_high)) = (span(first), span(second));
    let between = (other_low - high).max(low - other_high);
    first.len().min(second.len()) > 1 && between > (high - low).max(other_high - other_low)
}
