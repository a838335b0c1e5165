//! A bench's figures for other programs: as CSV, and in github-action-benchmark's format.

use anyhow::Result;
use serde::Serialize;

use super::{
    figures::{Better, Figure},
    measure::Measure,
    report::BenchReport,
    series::Series,
    stats::Estimate,
};
use crate::data_plane::DataPlane;

#[cfg(test)]
mod tests;

/// A line of CSV: one figure of one series, with its 95 % interval. The fields' names are the first line.
#[derive(Debug, Serialize)]
struct Row<'a> {
    layering: &'a str,
    data_plane: DataPlane,
    concurrency: u32,
    rtt_us: u64,
    message_bytes: u64,
    measure: Measure,
    figure: Figure,
    unit: &'a str,
    better: Better,
    median: f64,
    low: Option<f64>,
    high: Option<f64>,
    samples: usize,
}

/// An entry of github-action-benchmark's `customSmallerIsBetter` and `customBiggerIsBetter` (its README, "Examples": `name`,
/// `unit`, `value`, `range`, `extra`).
#[derive(Debug, PartialEq, Serialize)]
pub struct Entry {
    name: String,
    unit: String,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// All figures as CSV (RFC 4180). A figure that was measured once has no interval.
///
/// # Errors
/// If it can't be written.
pub fn csv(report: &BenchReport) -> Result<String> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    for (series, figure, estimate) in figures(report) {
        let sure = !estimate.is_from_one_round();
        lines.serialize(Row {
            layering: &series.layering,
            data_plane: series.setup.data_plane,
            concurrency: series.setup.concurrency,
            rtt_us: u64::try_from(series.setup.rtt.as_micros())?,
            message_bytes: series.setup.message_bytes,
            measure: series.measure,
            figure,
            unit: figure.unit(series.measure),
            better: figure.better(),
            median: estimate.value,
            low: sure.then_some(estimate.low),
            high: sure.then_some(estimate.high),
            samples: series.samples.len(),
        })?;
    }
    Ok(String::from_utf8(lines.into_inner()?)?)
}

/// The figures of which less, or more, is better: github-action-benchmark accepts one kind at a time.
pub fn entries(report: &BenchReport, better: Better) -> Vec<Entry> {
    let entry = |(series, figure, estimate): (&Series, Figure, Estimate)| {
        let Series { layering, measure, setup, samples, .. } = series;
        let half = (estimate.high - estimate.low) / 2.0;
        let decimals = figure.decimals(*measure);
        Entry {
            name: format!("{layering}: {measure}, {} ({setup})", figure.name(*measure)),
            unit: figure.unit(*measure).to_owned(),
            value: estimate.value,
            range: (!estimate.is_from_one_round()).then(|| format!("± {half:.decimals$}")),
            extra: format!("median of {}, interval of 95 %; sidelab {}", samples.len(), report.version),
        }
    };
    figures(report).filter(|(_, figure, _)| figure.better() == better).map(entry).collect()
}

/// Each figure of each series that has it.
fn figures(report: &BenchReport) -> impl Iterator<Item = (&Series, Figure, Estimate)> {
    report.series.iter().flat_map(|series| {
        series.measure.figures().iter().filter_map(move |&figure| {
            let values: Vec<f64> = series.samples.iter().map(|sample| figure.value(series.measure, sample)).collect();
            let estimate = Estimate::from_medians(&[&values], |medians| medians[0])?;
            Some((series, figure, estimate))
        })
    })
}
