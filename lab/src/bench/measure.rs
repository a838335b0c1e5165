//! The measures of a bench.

use std::{fmt, time::Duration};

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    layering::Layering,
    rig::{Load, Rig, Round},
    sample::{Held, Latency, Sample, Wire},
    setup::Setup,
};
use crate::usage::Traffic;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// New connections, one after the other, each with one request.
    Connect,
    /// New connections, concurrently, each with one request.
    ConnectLoad,
    /// Requests on one open connection, one after the other.
    Request,
    /// Requests on open connections, concurrently.
    RequestLoad,
    /// Bytes from the server to the client over one connection.
    Down,
    /// Bytes from the client to the server over one connection.
    Up,
    /// Bytes from the server to the client over four connections.
    #[serde(rename = "down_4")]
    Down4,
    /// Bytes from the client to the server over four connections.
    #[serde(rename = "up_4")]
    Up4,
    /// Memory of idle connections.
    Idle,
}

/// A group of measures with the same figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// New connections.
    Handshake,
    /// Requests on open connections.
    Latency,
    /// Bulk transfers.
    Throughput,
    /// Idle connections.
    Memory,
}

/// Bytes of one bulk request or answer.
const BULK: u64 = 64 << 20;

/// Connections of the measures of bulk over several streams.
const STREAMS: u32 = 4;

/// The load of an open loop, as a share of what the layering can do: enough to queue, too little for the queue to grow.
const OFFERED: f64 = 0.7;

const GIB: f64 = (1_u64 << 30) as f64;

/// The size of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Dose {
    /// The number of operations.
    pub(super) operations: u64,
    /// Operations due per second; `None` starts each after the previous one.
    pub(super) offered: Option<f64>,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

impl Group {
    /// All, in display order.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Latency, Self::Throughput, Self::Memory];
}

impl Measure {
    /// All, in display order.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::ConnectLoad,
        Self::Request,
        Self::RequestLoad,
        Self::Down,
        Self::Up,
        Self::Down4,
        Self::Up4,
        Self::Idle,
    ];

    /// Its name, in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectLoad => "connect_load",
            Self::Request => "request",
            Self::RequestLoad => "request_load",
            Self::Down => "down",
            Self::Up => "up",
            Self::Down4 => "down_4",
            Self::Up4 => "up_4",
            Self::Idle => "idle",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Connect => "new connections",
            Self::ConnectLoad => "new connections, many at once",
            Self::Request => "requests",
            Self::RequestLoad => "requests, many at once",
            Self::Down => "bulk down",
            Self::Up => "bulk up",
            Self::Down4 => "bulk down, 4 streams",
            Self::Up4 => "bulk up, 4 streams",
            Self::Idle => "idle connections",
        }
    }

    pub fn group(self) -> Group {
        match self {
            Self::Connect | Self::ConnectLoad => Group::Handshake,
            Self::Request | Self::RequestLoad => Group::Latency,
            Self::Down | Self::Up | Self::Down4 | Self::Up4 => Group::Throughput,
            Self::Idle => Group::Memory,
        }
    }

    /// Whether it has requests with answers of configurable size.
    pub fn has_messages(self) -> bool {
        matches!(self.group(), Group::Handshake | Group::Latency)
    }

    /// The unit of its cost.
    pub fn unit(self) -> &'static str {
        match self.group() {
            Group::Handshake | Group::Latency => "µs CPU",
            Group::Throughput => "s CPU/GiB",
            Group::Memory => "bytes",
        }
    }

    /// The figure that decides whether a series is precise.
    pub fn headline(self, sample: &Sample) -> f64 {
        match self.group() {
            Group::Handshake | Group::Latency => sample.p50(),
            Group::Throughput | Group::Memory => sample.total(),
        }
    }

    /// The measures of a quick bench: the answers to C10, C11 and C12, and requests on open connections.
    pub const QUICK: [Self; 4] = [Self::Connect, Self::Request, Self::Down, Self::Idle];

    /// Whether it uses many concurrent connections.
    fn is_load(self) -> bool {
        matches!(self, Self::ConnectLoad | Self::RequestLoad)
    }

    /// Determines the size of a sample that takes about `lasting`, and warms up the layering.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub(super) fn calibrate(self, rig: &Rig<'_>, layering: &Layering, setup: Setup, time: Duration) -> Result<Dose> {
        let (near, far) = match self {
            Self::Connect => (20, 4),
            Self::ConnectLoad => (100, 32),
            Self::Request => (100, 10),
            Self::RequestLoad => (500, 64),
            Self::Down | Self::Up => (1, 1),
            Self::Down4 | Self::Up4 => (u64::from(STREAMS), u64::from(STREAMS)),
            Self::Idle => {
                return Ok(Dose {
                    operations: rig.blueprint.settings.idle.last().copied().unwrap_or(0).into(),
                    offered: None,
                });
            }
        };
        let few = Dose { operations: if setup.rtt.is_zero() { near } else { far }, offered: None };
        let can = |dose: Dose| {
            let report = rig.load(layering, &self.load(rig, setup, dose))?.report;
            anyhow::Ok(dose.operations as f64 / report.seconds.max(1e-6))
        };
        let lasting = |rate: f64| ((rate * time.as_secs_f64()) as u64).max(few.operations);
        let rate = can(few)?;
        let full = Dose { operations: lasting(rate), offered: None };
        if !(self.is_load() && rig.blueprint.settings.open_loop) {
            return Ok(full);
        }
        // A few operations, including start and end, say too little about the sustained rate.
        let offered = can(full)? * OFFERED;
        Ok(Dose { operations: lasting(offered), offered: Some(offered) })
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// If an operation fails.
    pub(super) fn sample(self, rig: &Rig<'_>, layering: &Layering, setup: Setup, dose: Dose) -> Result<Sample> {
        if self == Self::Idle {
            // An allocator keeps memory: only processes that never had more connections show what they need.
            let held = rig.anew()?.idle(layering, &rig.blueprint.settings.idle)?;
            return Ok(Sample { cost: Held::per_connection(&held), held, ..Sample::default() });
        }
        Ok(self.sample_of(rig, &rig.load(layering, &self.load(rig, setup, dose))?))
    }

    fn load(self, rig: &Rig<'_>, setup: Setup, dose: Dose) -> Load {
        let connections = match self {
            _ if self.is_load() => rig.blueprint.settings.connections,
            Self::Down4 | Self::Up4 => STREAMS,
            _ => 1,
        };
        let (upload, download) = match self {
            Self::Down | Self::Down4 => (0, BULK),
            Self::Up | Self::Up4 => (BULK, setup.message_bytes),
            _ => (0, setup.message_bytes),
        };
        // For new connections, operations are connections, and so is their rate.
        let each = rig.blueprint.settings.requests_per_connection;
        let requests_per_connection = (self.group() == Group::Handshake).then_some(each);
        let requests = dose.operations * u64::from(requests_per_connection.unwrap_or(1));
        let rate = dose.offered.map(|rate| rate * f64::from(requests_per_connection.unwrap_or(1)));
        Load { connections, requests_per_connection, requests, upload, download, rate }
    }

    fn sample_of(self, rig: &Rig<'_>, round: &Round) -> Sample {
        let report = &round.report;
        let bulk = self.group() == Group::Throughput;
        let (operations, latency) = match self.group() {
            Group::Handshake => {
                let each = f64::from(rig.blueprint.settings.requests_per_connection);
                (report.requests as f64 / each, report.latencies.first_byte_of_new.as_ref())
            }
            Group::Throughput => ((report.bytes_sent + report.bytes_received) as f64 / GIB, None),
            Group::Latency | Group::Memory => (report.requests as f64, report.latencies.first_byte.as_ref()),
        };
        let cpu = |cpu: Duration| if bulk { cpu.as_secs_f64() } else { cpu.as_secs_f64() * 1e6 };
        let wire =
            |wire: Traffic| Wire { packets: wire.packets as f64 / operations, bytes: wire.bytes as f64 / operations };
        Sample {
            latency: latency.map(Latency::from),
            per_second: Some(operations * if bulk { GIB } else { 1.0 } / report.seconds),
            cost: round.cpu.iter().map(|(role, spent)| (*role, cpu(*spent) / operations)).collect(),
            wire: round.wire.map(wire),
            foreign: round.foreign,
            ..Sample::default()
        }
    }
}
