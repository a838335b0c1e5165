//! Native compared with Envoy, in the same bench: the ratio of the figures, and its goal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    figures::{Better, Figure},
    measure::Measure,
    series::Measured,
    setup::Setup,
    stats::{Estimate, median},
};
use crate::data_plane::DataPlane;

mod goals;
#[cfg(test)]
mod tests;

pub use goals::Reached;
use goals::{GOALS, Goal};

/// A target, and how far it was reached.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Target {
    pub name: String,
    pub better: Better,
    /// The goal for native divided by Envoy.
    pub target: f64,
    pub stretch: f64,
    /// The level that all members reach.
    pub reached: Reached,
    /// Its figures, the one furthest from the goal first.
    pub members: Vec<Member>,
}

/// One figure of a target.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Member {
    pub layering: String,
    pub measure: Measure,
    pub figure: Figure,
    pub unit: String,
    /// Workers of each sidecar: the number that suits Envoy best.
    pub concurrency: u32,
    /// The native data plane's median.
    pub native: f64,
    /// Envoy's median.
    pub envoy: f64,
    /// Native divided by Envoy, in the same rounds.
    pub ratio: Estimate,
    /// The level that it reaches.
    pub reached: Reached,
}

impl Member {
    /// The display name: `double`, `double, up`.
    pub fn label(&self) -> String {
        if self.measure == Measure::Up { format!("{}, up", self.layering) } else { self.layering.clone() }
    }
}

/// The targets, as far as the necessary figures were measured on both data planes.
pub fn compute(measured: Measured<'_>) -> Vec<Target> {
    GOALS.iter().filter_map(|goal| target(measured, goal)).collect()
}

fn target(measured: Measured<'_>, goal: &Goal) -> Option<Target> {
    let mut members: Vec<Member> =
        goal.figures().filter_map(|(layering, measures)| member(measured, goal, layering, measures)).collect();
    let better = goal.figure.better();
    members.sort_by(|one, other| match better {
        Better::Less => other.ratio.value.total_cmp(&one.ratio.value),
        Better::More => one.ratio.value.total_cmp(&other.ratio.value),
    });
    Some(Target {
        name: goal.name.to_owned(),
        better,
        target: goal.target,
        stretch: goal.stretch,
        reached: members.first()?.reached,
        members,
    })
}

/// One figure of both, by the first available measure, at the concurrency that suits Envoy best.
fn member(measured: Measured<'_>, goal: &Goal, layering: &str, measures: &[Measure]) -> Option<Member> {
    measures.iter().find_map(|measure| {
        let pairs = pairs(measured).into_iter();
        let pairs = pairs.filter_map(|(native, envoy)| {
            let values = |setup| measured.values(layering, setup, *measure, goal.figure);
            Some((native.concurrency, values(native)?, values(envoy)?))
        });
        let (concurrency, native, envoy) = pairs.min_by(|(_, _, one), (_, _, other)| {
            let (one, other) = (median(one.clone()), median(other.clone()));
            match goal.figure.better() {
                Better::Less => one.total_cmp(&other),
                Better::More => other.total_cmp(&one),
            }
        })?;
        let ratio = Estimate::from_medians(&[&native, &envoy], |medians| medians[0] / medians[1])?;
        Some(Member {
            layering: layering.to_owned(),
            measure: *measure,
            figure: goal.figure,
            unit: goal.figure.unit(*measure).to_owned(),
            concurrency,
            native: median(native),
            envoy: median(envoy),
            ratio,
            reached: goal.reached(ratio.value),
        })
    })
}

/// Equal setups of both data planes, with the shortest round trip and the smallest messages.
fn pairs(measured: Measured<'_>) -> Vec<(Setup, Setup)> {
    let setups = measured.setups();
    let alike = |native: &Setup| {
        let envoy = Setup { data_plane: DataPlane::Envoy, ..*native };
        setups.contains(&envoy).then_some((*native, envoy))
    };
    let native = setups.iter().filter(|setup| setup.data_plane == DataPlane::Native);
    let pairs: Vec<(Setup, Setup)> = native.filter_map(alike).collect();
    let least = pairs.iter().map(|(native, _)| (native.rtt, native.message_bytes)).min();
    pairs.into_iter().filter(|(native, _)| Some((native.rtt, native.message_bytes)) == least).collect()
}
