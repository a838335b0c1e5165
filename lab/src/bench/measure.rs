//! What is measured, and what a sample of it is.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    layering::Layering,
    rig::{Load, Rig, Role, Round},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// New connections, one by one, each with one request.
    Handshake,
    /// Requests on one open connection, one by one.
    Latency,
    /// Bytes from the server to the client over one connection.
    Throughput,
    /// Memory of idle connections.
    Memory,
}

/// About how long a sample takes: long enough that the clocks are fine against it, short enough for many rounds.
const SAMPLE: Duration = Duration::from_millis(350);

/// Bytes of the answer to a request that is to be small.
const SMALL: u64 = 64;

/// Bytes of one bulk answer.
const BULK: u64 = 64 << 20;

/// Idle connections whose memory is measured.
const IDLE: u64 = 1000;

const GIB: f64 = (1_u64 << 30) as f64;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Until the first byte of the answer, of all that were made, in microseconds: the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<f64>,
    /// 90 % took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90_us: Option<f64>,
    /// 99 % took no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<f64>,
    /// Connections, requests or bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// By process: microseconds of CPU for each connection or request, seconds of CPU for each GiB, or bytes of memory for
    /// each idle connection.
    pub cost: BTreeMap<Role, f64>,
    /// CPUs that others on this machine used meanwhile.
    pub foreign: f64,
}

impl Sample {
    /// The cost of all processes together.
    pub fn total(&self) -> f64 {
        self.cost.values().fold(0.0, |sum, cost| sum + cost)
    }

    /// The cost of both sidecars together.
    pub fn sidecars(&self) -> f64 {
        self.cost.iter().filter(|(role, _)| role.is_sidecar()).fold(0.0, |sum, (_, cost)| sum + cost)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "new connections",
            Self::Latency => "requests",
            Self::Throughput => "bulk",
            Self::Memory => "idle connections",
        })
    }
}

impl Measure {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Latency, Self::Throughput, Self::Memory];

    /// What a cost is counted in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Handshake | Self::Latency => "µs CPU",
            Self::Throughput => "s CPU/GiB",
            Self::Memory => "bytes",
        }
    }

    /// The figure by which a series counts as sure.
    pub fn headline(self, sample: &Sample) -> f64 {
        match self {
            Self::Handshake | Self::Latency => sample.p50_us.unwrap_or(f64::NAN),
            Self::Throughput | Self::Memory => sample.total(),
        }
    }

    /// More samples than this say nothing new, and each costs a lab of its own.
    pub fn rounds(self) -> usize {
        if self == Self::Memory { 3 } else { usize::MAX }
    }

    /// How many operations make a sample of about [`SAMPLE`]; warms up what is measured.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub(super) fn calibrate(self, rig: &Rig, layering: &Layering) -> Result<u64> {
        let few = match self {
            Self::Handshake => 50,
            Self::Latency => 300,
            Self::Throughput => 2,
            Self::Memory => return Ok(IDLE),
        };
        let round = rig.load(layering, &self.load(few))?;
        let each = round.report.seconds / few as f64;
        Ok(((SAMPLE.as_secs_f64() / each.max(1e-6)) as u64).max(few))
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// When an operation fails.
    pub(super) fn sample(self, rig: &Rig, layering: &Layering, operations: u64) -> Result<Sample> {
        if self == Self::Memory {
            let connections = u32::try_from(operations).unwrap_or(u32::MAX);
            // What an allocator was given once it keeps: only processes that never had more show what they need.
            let cost = rig.anew()?.idle(layering, connections)?;
            return Ok(Sample { p50_us: None, p90_us: None, p99_us: None, per_second: None, cost, foreign: 0.0 });
        }
        Ok(self.sample_of(&rig.load(layering, &self.load(operations))?))
    }

    fn load(self, requests: u64) -> Load {
        Load {
            connections: 1,
            new_connections: self == Self::Handshake,
            requests,
            download: if self == Self::Throughput { BULK } else { SMALL },
        }
    }

    fn sample_of(self, round: &Round) -> Sample {
        let report = &round.report;
        let each = |cpu: Duration| match self {
            Self::Throughput => cpu.as_secs_f64() / (report.bytes_received as f64 / GIB),
            _ => cpu.as_secs_f64() * 1e6 / report.requests as f64,
        };
        let latency = report.latencies.first_byte.as_ref().filter(|_| self != Self::Throughput);
        Sample {
            p50_us: latency.map(|latency| latency.p50_us as f64),
            p90_us: latency.map(|latency| latency.p90_us as f64),
            p99_us: latency.map(|latency| latency.p99_us as f64),
            per_second: Some(match self {
                Self::Throughput => report.bytes_received as f64 / report.seconds,
                _ => report.rate,
            }),
            cost: round.cpu.iter().map(|(role, cpu)| (*role, each(*cpu))).collect(),
            foreign: round.foreign,
        }
    }
}
