//! The figures of a measure: the quantities reported for its samples, their units, and which direction is better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    measure::{Group, Measure},
    sample::Sample,
};

#[cfg(test)]
mod tests;

const KIB: f64 = 1024.0;
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

/// A quantity that is reported for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The median time until the first byte.
    P50,
    /// The 90th percentile until the first byte.
    P90,
    /// The 99th percentile until the first byte.
    P99,
    /// Connections, requests or bytes per second.
    Rate,
    /// CPU, or memory, of all processes together.
    Cost,
    /// CPU, or memory, of both sidecars together.
    Sidecars,
    /// The resident memory of a sidecar without connections.
    AtRest,
    /// Packets between the pods.
    Packets,
    /// Bytes between the pods.
    Bytes,
}

/// The better direction of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Lower values.
    Less,
    /// Higher values.
    More,
}

impl Measure {
    /// The figures of the measure, in display order.
    pub fn figures(self) -> &'static [Figure] {
        use Figure::{AtRest, Bytes, Cost, P50, P90, P99, Packets, Rate, Sidecars};
        match self.group() {
            Group::Handshake | Group::Latency => &[P50, P90, P99, Rate, Cost, Sidecars, Packets, Bytes],
            Group::Throughput => &[Rate, Cost, Sidecars, Packets, Bytes],
            Group::Memory => &[Cost, Sidecars, AtRest],
        }
    }
}

impl Figure {
    /// The figure of a sample, in its [`unit`](Self::unit); NaN if it was not measured.
    pub fn value(self, measure: Measure, sample: &Sample) -> f64 {
        let scale = match (self, measure.group()) {
            (Self::Rate, Group::Throughput) => 1e9,
            (Self::Cost | Self::Sidecars, Group::Memory) => KIB,
            (Self::AtRest, _) => MIB,
            (Self::Packets, Group::Throughput) => 1000.0,
            (Self::Bytes, Group::Throughput) => GIB,
            _ => 1.0,
        };
        let figure = match self {
            Self::P50 => sample.p50(),
            Self::P90 => sample.latency.map_or(f64::NAN, |latency| latency.p90_us),
            Self::P99 => sample.p99(),
            Self::Rate => sample.rate(),
            Self::Cost if !sample.cost.is_empty() => sample.total(),
            Self::Sidecars if sample.cost.keys().any(|role| role.is_sidecar()) => sample.sidecars(),
            Self::Cost | Self::Sidecars => f64::NAN,
            Self::AtRest => sample.at_rest(),
            Self::Packets => sample.wire.map_or(f64::NAN, |wire| wire.packets),
            Self::Bytes => sample.wire.map_or(f64::NAN, |wire| wire.bytes),
        };
        figure / scale
    }

    pub fn unit(self, measure: Measure) -> &'static str {
        match (self, measure.group()) {
            (Self::Rate, Group::Throughput) => "GB/s",
            (Self::Rate, _) => "/s",
            (Self::Cost | Self::Sidecars, Group::Throughput) => "s/GiB",
            (Self::Cost | Self::Sidecars, Group::Memory) => "KiB",
            (Self::P50 | Self::P90 | Self::P99 | Self::Cost | Self::Sidecars, _) => "µs",
            (Self::AtRest, _) => "MiB",
            (Self::Packets, Group::Throughput) => "thousand/GiB",
            (Self::Packets, _) => "packets",
            (Self::Bytes, Group::Throughput) => "GiB/GiB",
            (Self::Bytes, _) => "bytes",
        }
    }

    /// The display name, without the unit.
    pub fn name(self, measure: Measure) -> &'static str {
        match (self, measure.group()) {
            (Self::P50, _) => "p50",
            (Self::P90, _) => "p90",
            (Self::P99, _) => "p99",
            (Self::Rate, _) => "rate",
            (Self::Cost, Group::Memory) => "memory",
            (Self::Sidecars, Group::Memory) => "memory, sidecars",
            (Self::Cost, _) => "CPU",
            (Self::Sidecars, _) => "CPU, sidecars",
            (Self::AtRest, _) => "a sidecar at rest",
            (Self::Packets | Self::Bytes, _) => "wire",
        }
    }

    /// The number of decimals to show.
    pub fn decimals(self, measure: Measure) -> usize {
        match (self, measure.group()) {
            (Self::Rate | Self::Cost | Self::Sidecars, Group::Throughput) => 2,
            (Self::Bytes, Group::Throughput) => 3,
            (Self::Cost | Self::Sidecars, Group::Memory) | (Self::AtRest | Self::Packets, _) => 1,
            _ => 0,
        }
    }

    pub fn better(self) -> Better {
        if self == Self::Rate { Better::More } else { Better::Less }
    }
}
