use std::time::Duration;

use super::*;
use crate::bench::{
    fixtures::{Bench, plain},
    rtt::Rtt,
};

fn at(rtt_ms: u64) -> Setup {
    Setup { rtt: Duration::from_millis(rtt_ms), ..plain(DataPlane::Native) }
}

#[test]
fn a_connection_that_waits_three_times_has_three_round_trips() {
    let mut bench = Bench::new();
    for rtt in [0, 10, 50] {
        bench.add_rounds("mesh", at(rtt), Measure::Connect, &[1200.0 + 3000.0 * rtt as f64; 3]);
    }
    let [mesh] = &compute(bench.report().measured())[..] else { panic!("one layering, one data plane") };
    assert_eq!(mesh.layering, "mesh");
    assert!((mesh.round_trips.value - 3.0).abs() < 1e-9, "{mesh:?}");
}

#[test]
fn round_trips_are_computed_from_measured_delays() {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", at(0), Measure::Connect, &[1000.0; 3]);
    bench.add_rounds("mesh", at(10), Measure::Connect, &[34_000.0; 3]);
    let mut report = bench.report();
    report.rtts = vec![Rtt { asked_us: 10_000, measured_us: 11_000.0, error_us: 1000.0, lost: 0 }];
    let [mesh] = &compute(report.measured())[..] else { panic!("one layering, one data plane") };
    assert!((mesh.round_trips.value - 3.0).abs() < 1e-9, "{mesh:?}");
}

#[test]
fn one_distance_gives_no_round_trips() {
    let mut bench = Bench::new();
    bench.connects("mesh", at(0), 1200.0);
    bench.connects("mesh", plain(DataPlane::Envoy), 1200.0);
    assert_eq!(compute(bench.report().measured()), []);
}
