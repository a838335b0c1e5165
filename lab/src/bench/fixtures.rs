//! Synthetic benches for tests.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use super::{
    layering::Layering,
    measure::{Group, Measure},
    report::BenchReport,
    sample::{Held, Latency, Sample, Wire},
    series::Series,
    setup::{Settings, Setup},
};
use crate::{data_plane::DataPlane, role::Role};

/// The speed of the machine in each round, which affects all its samples.
const ROUNDS: [f64; 5] = [1.0, 1.3, 0.9, 2.0, 1.1];

/// One worker, nothing added.
pub(super) fn plain(data_plane: DataPlane) -> Setup {
    Setup::plain(data_plane)
}

/// A bench of everything, at two distances.
pub(super) static FULL: LazyLock<BenchReport> = LazyLock::new(|| {
    let layerings = ["direct", "app-tls", "redirect", "passthrough", "mesh", "double", "mesh-http"];
    let mut bench = Bench::new();
    for (i, layering) in layerings.into_iter().enumerate() {
        for data_plane in [DataPlane::Native, DataPlane::Envoy] {
            for rtt in [0, 50] {
                let setup = Setup { rtt: Duration::from_millis(rtt), ..plain(data_plane) };
                for measure in Measure::ALL {
                    let scale = if measure.group() == Group::Throughput { 1e9 } else { 1e4 };
                    let figure = scale * (1.0 + i as f64) + rtt as f64 * 2e3;
                    bench.add_rounds(layering, setup, measure, &[figure, figure * 1.02, figure * 0.99]);
                }
            }
        }
    }
    bench.report()
});

/// A bench, as it grows.
pub(super) struct Bench {
    series: Vec<Series>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { series: Vec::new() }
    }

    /// New connections, one by one, with a median time and cost in microseconds.
    pub(super) fn connects(&mut self, layering: &str, setup: Setup, p50: f64) {
        self.add(layering, setup, Measure::Connect, p50);
    }

    /// A measure of which each figure is about this.
    pub(super) fn add(&mut self, layering: &str, setup: Setup, measure: Measure, figure: f64) {
        self.add_rounds(layering, setup, measure, &ROUNDS.map(|round| figure * round));
    }

    /// A measure with these figures, round by round.
    pub(super) fn add_rounds(&mut self, layering: &str, setup: Setup, measure: Measure, figures: &[f64]) {
        let samples = figures.iter().map(|figure| sample(*figure)).collect();
        self.series.push(Series {
            layering: layering.to_owned(),
            setup,
            measure,
            operations: 100,
            offered: None,
            samples,
        });
    }

    pub(super) fn report(self) -> BenchReport {
        let mut names: Vec<String> = self.series.iter().map(|series| series.layering.clone()).collect();
        names.dedup();
        let (layerings, refuted) = (names.into_iter().map(layering).collect(), Vec::new());
        BenchReport::new(
            (jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(60)),
            (Settings::default(), Vec::new(), Vec::new()),
            (layerings, refuted),
            (self.series, Vec::new()),
        )
    }
}

/// A sample of which every figure is about this; the sidecars cost all of it.
fn sample(figure: f64) -> Sample {
    let latency = Latency {
        p50_us: figure,
        p90_us: figure * 1.5,
        p99_us: figure * 2.0,
        p999_us: figure * 3.0,
        max_us: figure * 4.0,
    };
    let resident = BTreeMap::from([(Role::ClientSidecar, figure as u64), (Role::ServerSidecar, figure as u64)]);
    Sample {
        latency: Some(latency),
        per_second: Some(figure),
        cost: BTreeMap::from([(Role::ClientSidecar, figure / 2.0), (Role::ServerSidecar, figure / 2.0)]),
        wire: Some(Wire { packets: figure, bytes: figure }),
        held: vec![Held { connections: 0, resident }],
        foreign: 0.0,
    }
}

fn layering(name: String) -> Layering {
    Layering {
        name,
        client: "client.default".into(),
        server: "server.default".into(),
        url: "http://server:8080".into(),
        legs: [None, Some("http/1.1".into()), None],
    }
}
