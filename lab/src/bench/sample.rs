//! One measurement.

use std::collections::BTreeMap;

use demo_apps::report::Percentiles;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// One measurement of one measure of one layering under one setup.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Sample {
    /// The time until the first byte of the answer, flattened in JSON.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Connections, requests or bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// By process: microseconds of CPU for each connection or request, seconds of CPU for each GiB, or bytes of memory for
    /// each idle connection.
    pub cost: BTreeMap<Role, f64>,
    /// The traffic between the pods per connection, request or GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wire: Option<Wire>,
    /// The resident memory by number of connections, the smallest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
    /// CPUs that other programs used meanwhile.
    pub foreign: f64,
}

/// Percentiles, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Latency {
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl From<&Percentiles> for Latency {
    fn from(all: &Percentiles) -> Self {
        let Percentiles { p50_us, p90_us, p99_us, p999_us, max_us, .. } = all;
        let [p50_us, p90_us, p99_us, p999_us, max_us] =
            [p50_us, p90_us, p99_us, p999_us, max_us].map(|micros| *micros as f64);
        Self { p50_us, p90_us, p99_us, p999_us, max_us }
    }
}

/// The traffic of the server pod's `eth0`, in both directions: leg 2.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Wire {
    /// Packets, as the pod's interface counts them: segments that the kernel hands over in one piece are one.
    pub packets: f64,
    /// Bytes, Ethernet headers included.
    pub bytes: f64,
}

/// The memory with a number of connections.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Held {
    /// The number of connections.
    pub connections: u32,
    /// By process: bytes resident.
    pub resident: BTreeMap<Role, u64>,
}

impl Held {
    /// The resident bytes per connection and process: the slope of the least-squares line.
    pub fn per_connection(held: &[Self]) -> BTreeMap<Role, f64> {
        let mean = |of: &dyn Fn(&Self) -> f64| held.iter().map(of).sum::<f64>() / held.len() as f64;
        let connections = mean(&|one| f64::from(one.connections));
        let slope = |role: &Role| {
            let resident = |one: &Self| one.resident.get(role).copied().unwrap_or(0) as f64;
            let bytes = mean(&resident);
            let away = |one: &Self| f64::from(one.connections) - connections;
            mean(&|one| away(one) * (resident(one) - bytes)) / mean(&|one| away(one) * away(one))
        };
        held.iter().take(1).flat_map(|one| one.resident.keys()).map(|role| (*role, slope(role))).collect()
    }
}

/// The value of a figure that was not measured: NaN, for which there is no estimate.
const NONE: f64 = f64::NAN;

impl Sample {
    /// The cost of all processes together.
    pub fn total(&self) -> f64 {
        self.cost.values().fold(0.0, |sum, cost| sum + cost)
    }

    /// The cost of both sidecars together.
    pub fn sidecars(&self) -> f64 {
        self.cost.iter().filter(|(role, _)| role.is_sidecar()).fold(0.0, |sum, (_, cost)| sum + cost)
    }

    /// The median until the first byte, microseconds; NaN if not measured.
    pub fn p50(&self) -> f64 {
        self.latency.map_or(NONE, |latency| latency.p50_us)
    }

    /// The 99th percentile until the first byte, microseconds; NaN if not measured.
    pub fn p99(&self) -> f64 {
        self.latency.map_or(NONE, |latency| latency.p99_us)
    }

    /// Connections, requests or bytes per second; NaN if not counted.
    pub fn rate(&self) -> f64 {
        self.per_second.unwrap_or(NONE)
    }

    /// The resident bytes of a sidecar without connections: the mean of both; NaN if not measured.
    pub fn at_rest(&self) -> f64 {
        let rest = self.held.iter().find(|held| held.connections == 0);
        let sidecars = rest.iter().flat_map(|held| &held.resident).filter(|(role, _)| role.is_sidecar());
        let (sum, count) = sidecars.fold((0.0, 0.0), |(sum, count), (_, bytes)| (sum + *bytes as f64, count + 1.0));
        if count > 0.0 { sum / count } else { NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_a_number_and_not_in_the_json() {
        let nothing = Sample::default();
        assert!([nothing.p50(), nothing.p99(), nothing.rate(), nothing.at_rest()].iter().all(|figure| figure.is_nan()));
        let text = serde_json::to_string(&nothing).unwrap();
        assert_eq!(text, r#"{"cost":{},"foreign":0.0}"#);
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), nothing);
    }

    #[test]
    fn a_sample_reads_back_as_it_was_written() {
        let sample = Sample {
            latency: Some(Latency { p50_us: 1.5, p90_us: 2.0, p99_us: 3.0, p999_us: 4.0, max_us: 5.0 }),
            per_second: Some(1e6),
            cost: BTreeMap::from([(Role::ClientSidecar, 12.5)]),
            wire: Some(Wire { packets: 14.0, bytes: 4321.0 }),
            held: vec![Held { connections: 0, resident: BTreeMap::from([(Role::ServerSidecar, 5000)]) }],
            foreign: 0.01,
        };
        let text = serde_json::to_string(&sample).unwrap();
        assert!(text.starts_with(r#"{"p50_us":1.5,"#), "{text}");
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
    }

    #[test]
    fn memory_for_each_connection_is_the_slope_of_what_is_resident() {
        let held = [(0, 100_000), (1000, 1_100_000), (5000, 5_100_000)]
            .map(|(connections, bytes)| Held { connections, resident: BTreeMap::from([(Role::ServerSidecar, bytes)]) });
        assert_eq!(Held::per_connection(&held), BTreeMap::from([(Role::ServerSidecar, 1000.0)]));
        assert!(Held::per_connection(&[]).is_empty());
    }

    #[test]
    fn what_is_resident_at_rest_is_a_sidecars_mean_without_connections() {
        let resident = |client, server, app| {
            BTreeMap::from([(Role::ClientSidecar, client), (Role::ServerSidecar, server), (Role::ServerApp, app)])
        };
        let held = vec![
            Held { connections: 0, resident: resident(1000, 3000, 77) },
            Held { connections: 10, resident: resident(9000, 9000, 99) },
        ];
        assert_eq!(Sample { held, ..Sample::default() }.at_rest(), 2000.0);
    }
}
