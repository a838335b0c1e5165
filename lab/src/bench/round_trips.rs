//! The number of round trips before the first byte of a new connection.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{figures::Figure, measure::Measure, series::Measured, setup::Setup, stats::Estimate};
use crate::data_plane::DataPlane;

#[cfg(test)]
mod tests;

/// The round trips of a new connection.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RoundTrips {
    pub layering: String,
    pub data_plane: DataPlane,
    /// The number of workers of each sidecar.
    pub concurrency: u32,
    /// The round trips until the first byte: additional microseconds per microsecond of round trip.
    pub round_trips: Estimate,
}

/// The round trips of each layering that was measured with at least two delays.
pub fn compute(measured: Measured<'_>) -> Vec<RoundTrips> {
    let setups = measured.setups();
    let is_nearest =
        |setup: &Setup| setups.iter().all(|other| other.rtt >= setup.rtt || !setup.is_alike_but_for_rtt(*other));
    let mut all = Vec::new();
    for setup in setups.iter().filter(|setup| is_nearest(setup)) {
        let along: Vec<Setup> = setups.iter().copied().filter(|other| setup.is_alike_but_for_rtt(*other)).collect();
        for layering in measured.layerings {
            all.extend(round_trips(measured, &layering.name, &along));
        }
    }
    all
}

fn round_trips(measured: Measured<'_>, layering: &str, along: &[Setup]) -> Option<RoundTrips> {
    let medians = along.iter().filter_map(|setup| {
        let values = measured.values(layering, *setup, Measure::Connect, Figure::P50)?;
        Some((took(measured, setup.rtt), values))
    });
    let (rtts, values): (Vec<f64>, Vec<Vec<f64>>) = medians.unzip();
    let setup = along.first().filter(|_| rtts.len() > 1)?;
    let values: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    Some(RoundTrips {
        layering: layering.to_owned(),
        data_plane: setup.data_plane,
        concurrency: setup.concurrency,
        round_trips: Estimate::from_medians(&values, |medians| slope(&rtts, medians))?,
    })
}

/// The measured delay of a round trip, in microseconds.
fn took(measured: Measured<'_>, asked: Duration) -> f64 {
    let micros = asked.as_secs_f64() * 1e6;
    measured.rtts.iter().find(|rtt| rtt.asked_us as f64 == micros).map_or(micros, |rtt| rtt.measured_us)
}

/// The slope of the least-squares line through points.
fn slope(x: &[f64], y: &[f64]) -> f64 {
    let count = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / count, y.iter().sum::<f64>() / count);
    let products = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y));
    products.sum::<f64>() / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>()
}
