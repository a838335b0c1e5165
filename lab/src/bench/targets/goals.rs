//! The goals. The numbers come from peers: the measured cost of nginx, HAProxy and bare relays relative to Envoy 1.40, on a
//! machine with two CPUs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bench::{
    figures::{Better, Figure},
    measure::Measure,
};

/// The level reached for a target, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// Below the target.
    Not,
    Target,
    Stretch,
}

impl Reached {
    /// The JSON name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Target => "target",
            Self::Stretch => "stretch",
        }
    }
}

/// One row of the table.
pub(super) struct Goal {
    /// Of a new connection, a request, a GiB or an idle connection. Requests go through TCP chains unless the name says HTTP.
    pub(super) name: &'static str,
    pub(super) figure: Figure,
    layerings: &'static [&'static str],
    /// The measures; of alternatives, the first available.
    measures: &'static [&'static [Measure]],
    pub(super) target: f64,
    pub(super) stretch: f64,
}

/// Under load if that was measured, else sequential.
const CONNECTIONS: &[&[Measure]] = &[&[Measure::ConnectLoad, Measure::Connect]];
const REQUESTS: &[&[Measure]] = &[&[Measure::RequestLoad, Measure::Request]];
const BULK: &[&[Measure]] = &[&[Measure::Down], &[Measure::Up]];

const PLAIN: &[&str] = &["redirect", "passthrough"];
const ENCRYPTED: &[&str] = &["mesh", "double"];
const HTTP: &[&str] = &["mesh-http", "leg3-http"];
const THROUGH_SIDECARS: &[&str] = &["redirect", "passthrough", "mesh", "double", "leg3", "mesh-http", "leg3-http"];

pub(super) const GOALS: &[Goal] = &[
    goal("connection, mTLS: CPU", Figure::Sidecars, &["mesh"], CONNECTIONS, 0.65, 0.60),
    goal("connection, double, leg3: CPU", Figure::Sidecars, &["double", "leg3"], CONNECTIONS, 0.65, 0.60),
    goal("connection, no mesh TLS: CPU", Figure::Sidecars, PLAIN, CONNECTIONS, 0.42, 0.35),
    goal("request, mesh TLS: CPU", Figure::Sidecars, ENCRYPTED, REQUESTS, 0.80, 0.70),
    goal("request, no mesh TLS: CPU", Figure::Sidecars, PLAIN, REQUESTS, 0.64, 0.55),
    goal("request, HTTP/1.1: CPU", Figure::Sidecars, HTTP, REQUESTS, 0.45, 0.35),
    goal("request, HTTP/1.1: p99", Figure::P99, HTTP, REQUESTS, 0.45, 0.35),
    goal("bulk, mesh TLS: CPU", Figure::Sidecars, ENCRYPTED, BULK, 0.70, 0.62),
    goal("bulk, no mesh TLS: CPU", Figure::Sidecars, PLAIN, BULK, 0.50, 0.40),
    goal("bulk, mesh TLS: rate", Figure::Rate, ENCRYPTED, BULK, 1.20, 1.35),
    goal("bulk, no mesh TLS: rate", Figure::Rate, PLAIN, BULK, 1.00, 1.20),
    goal("connection, mTLS: p50", Figure::P50, &["mesh"], &[&[Measure::Connect]], 0.75, 0.65),
    goal("connection, no mesh TLS: p50", Figure::P50, PLAIN, &[&[Measure::Connect]], 0.60, 0.50),
    goal("request: p50", Figure::P50, THROUGH_SIDECARS, &[&[Measure::Request]], 1.00, 0.85),
    goal("idle, mesh TLS: memory", Figure::Sidecars, &["mesh"], &[&[Measure::Idle]], 0.40, 0.30),
    goal("idle, no mesh TLS: memory", Figure::Sidecars, PLAIN, &[&[Measure::Idle]], 0.20, 0.12),
    goal("a sidecar at rest: memory", Figure::AtRest, &["mesh"], &[&[Measure::Idle]], 0.15, 0.10),
];

const fn goal(
    name: &'static str,
    figure: Figure,
    layerings: &'static [&'static str],
    measures: &'static [&'static [Measure]],
    target: f64,
    stretch: f64,
) -> Goal {
    Goal { name, figure, layerings, measures, target, stretch }
}

impl Goal {
    /// Every layering with its measures.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'static str, &'static [Measure])> {
        self.layerings.iter().flat_map(|layering| self.measures.iter().map(|measures| (*layering, *measures)))
    }

    /// The level that a ratio reaches.
    pub(super) fn reached(&self, ratio: f64) -> Reached {
        let meets = |goal: f64| match self.figure.better() {
            Better::Less => ratio <= goal,
            Better::More => ratio >= goal,
        };
        match () {
            () if meets(self.stretch) => Reached::Stretch,
            () if meets(self.target) => Reached::Target,
            () => Reached::Not,
        }
    }
}
