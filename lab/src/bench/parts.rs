//! The cost model: what each part of a layering costs, and what the parts do not explain.
//!
//! A part is the difference between two layerings that differ only in it. That a connection costs the sum of its parts is an
//! assumption; how far it holds shows in the rest of `double`, which has all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    figures::Figure,
    measure::{Group, Measure},
    series::Measured,
    setup::Setup,
    stats::Estimate,
};

#[cfg(test)]
mod tests;

/// The costs of the parts of one figure under one setup.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Parts {
    /// The conditions, flattened in JSON.
    #[serde(flatten)]
    pub setup: Setup,
    pub measure: Measure,
    /// The figure, of all processes together or of the client.
    pub figure: Figure,
    pub unit: String,
    /// The parts, in order of addition.
    pub parts: Vec<Part>,
    /// The unexplained part of `double`.
    pub residual: Estimate,
    /// The whole of `double`.
    pub whole: Estimate,
}

#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Part {
    pub name: PartName,
    pub cost: Estimate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartName {
    /// The two apps, and the way between them.
    Apps,
    /// Two redirects and the two sidecars that they lead to.
    TwoProxies,
    /// One redirect and its sidecar: half of the two.
    OneProxy,
    /// TLS between the sidecars.
    MeshTls,
    /// TLS between the apps, without a mesh.
    AppTls,
    /// The same TLS inside the mesh's.
    SecondLayer,
}

impl PartName {
    pub fn label(self) -> &'static str {
        match self {
            Self::Apps => "the apps alone",
            Self::TwoProxies => "two redirects and proxies",
            Self::OneProxy => "of which one proxy hop",
            Self::MeshTls => "TLS of the mesh",
            Self::AppTls => "TLS of the apps",
            Self::SecondLayer => "a second layer",
        }
    }

    /// Whether it is a summand of the whole.
    pub fn adds_up(self) -> bool {
        matches!(self, Self::Apps | Self::TwoProxies | Self::MeshTls | Self::AppTls)
    }
}

impl Parts {
    /// The object of the cost: `a connection`.
    pub fn object(&self) -> &'static str {
        match self.measure.group() {
            Group::Handshake => "a connection",
            Group::Latency => "a request",
            Group::Throughput => "a GiB",
            Group::Memory => "an idle connection",
        }
    }
}

/// The layerings that the parts are computed from, and their indices below.
const NAMES: [&str; 5] = ["direct", "app-tls", "redirect", "mesh", "double"];
const DIRECT: usize = 0;
const APP_TLS: usize = 1;
const REDIRECT: usize = 2;
const MESH: usize = 3;
const DOUBLE: usize = 4;

/// What is split into parts; of alternative measures, the first available.
const FIGURES: [(&[Measure], Figure); 5] = [
    (&[Measure::Connect], Figure::P50),
    (&[Measure::ConnectLoad, Measure::Connect], Figure::Cost),
    (&[Measure::RequestLoad, Measure::Request], Figure::Cost),
    (&[Measure::Down], Figure::Cost),
    (&[Measure::Idle], Figure::Cost),
];

/// The cost model of a bench, as far as all five layerings were measured: only for the shortest round trip.
pub fn compute(measured: Measured<'_>) -> Vec<Parts> {
    let setups = measured.setups();
    let shortest = setups.iter().map(|setup| setup.rtt).min();
    let setups = setups.into_iter().filter(|setup| Some(setup.rtt) == shortest);
    let parts = |setup| {
        let of_figure = |(measures, figure): &(&[Measure], Figure)| {
            measures.iter().find_map(|measure| parts(measured, setup, *measure, *figure))
        };
        FIGURES.iter().filter_map(of_figure).collect::<Vec<_>>()
    };
    setups.flat_map(parts).collect()
}

fn parts(measured: Measured<'_>, setup: Setup, measure: Measure, figure: Figure) -> Option<Parts> {
    let values: Vec<Vec<f64>> =
        NAMES.iter().map(|name| measured.values(name, setup, measure, figure)).collect::<Option<_>>()?;
    let series: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
    let estimate = |cost: fn(&[f64]) -> f64| Estimate::from_medians(&series, cost);
    let part = |name, cost| Some(Part { name, cost: estimate(cost)? });
    let parts = [
        part(PartName::Apps, |m| m[DIRECT]),
        part(PartName::TwoProxies, |m| m[REDIRECT] - m[DIRECT]),
        part(PartName::OneProxy, |m| (m[REDIRECT] - m[DIRECT]) / 2.0),
        part(PartName::MeshTls, |m| m[MESH] - m[REDIRECT]),
        part(PartName::AppTls, |m| m[APP_TLS] - m[DIRECT]),
        part(PartName::SecondLayer, |m| m[DOUBLE] - m[MESH]),
    ];
    Some(Parts {
        setup,
        measure,
        figure,
        unit: figure.unit(measure).to_owned(),
        parts: parts.into_iter().flatten().collect(),
        residual: estimate(|m| m[DOUBLE] - m[MESH] - (m[APP_TLS] - m[DIRECT]))?,
        whole: estimate(|m| m[DOUBLE])?,
    })
}
