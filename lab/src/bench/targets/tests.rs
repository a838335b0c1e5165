use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::bench::fixtures::{Bench, plain};

const NATIVE: DataPlane = DataPlane::Native;
const ENVOY: DataPlane = DataPlane::Envoy;

fn named<'a>(targets: &'a [Target], name: &str) -> &'a Target {
    targets.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no {name} in {targets:?}"))
}

#[test]
fn native_is_compared_at_the_concurrency_that_suits_envoy_best() {
    let mut bench = Bench::new();
    for (data_plane, concurrency, cpu) in
        [(ENVOY, 1, 1024.0), (ENVOY, 2, 512.0), (NATIVE, 1, 256.0), (NATIVE, 2, 384.0)]
    {
        let setup = Setup { concurrency, ..plain(data_plane) };
        bench.add("mesh", setup, Measure::ConnectLoad, cpu);
        bench.add("mesh", setup, Measure::Down, cpu * 1e6);
    }
    let targets = bench.report().targets;
    let member = &named(&targets, "connection, mTLS: CPU").members[0];
    assert_eq!((member.concurrency, member.ratio.value), (2, 0.75), "Envoy needs less CPU with two workers");
    let member = &named(&targets, "bulk, mesh TLS: rate").members[0];
    assert_eq!((member.concurrency, member.ratio.value), (1, 0.25), "of a rate, more is better");
}

#[test]
fn a_concurrency_measured_only_on_envoy_is_ignored() {
    let mut bench = Bench::new();
    bench.connects("mesh", plain(NATIVE), 500.0);
    bench.connects("mesh", plain(ENVOY), 1000.0);
    bench.connects("mesh", Setup { concurrency: 2, ..plain(ENVOY) }, 100.0);
    let targets = bench.report().targets;
    assert_eq!(named(&targets, "connection, mTLS: p50").members[0].ratio.value, 0.5);
}

#[test]
fn a_target_is_reached_when_its_furthest_member_reaches_it() {
    let reached = |double: f64, leg3: f64| {
        let mut bench = Bench::new();
        for (layering, native) in [("double", double), ("leg3", leg3)] {
            bench.connects(layering, plain(NATIVE), native);
            bench.connects(layering, plain(ENVOY), 1000.0);
        }
        let target = named(&bench.report().targets, "connection, double, leg3: CPU").clone();
        (target.reached, target.members[0].layering.clone())
    };
    assert_eq!(reached(550.0, 590.0), (Reached::Stretch, "leg3".to_owned()));
    assert_eq!(reached(640.0, 590.0), (Reached::Target, "double".to_owned()));
    assert_eq!(reached(640.0, 700.0), (Reached::Not, "leg3".to_owned()));
}

#[test]
fn a_higher_rate_reaches_its_target() {
    let reached = |native: f64| {
        let mut bench = Bench::new();
        bench.add("mesh", plain(NATIVE), Measure::Down, native);
        bench.add("mesh", plain(ENVOY), Measure::Down, 1e9);
        named(&bench.report().targets, "bulk, mesh TLS: rate").reached
    };
    assert_eq!([reached(1.1e9), reached(1.25e9), reached(1.4e9)], [Reached::Not, Reached::Target, Reached::Stretch]);
}

#[test]
fn figures_under_load_are_preferred_to_sequential_ones() {
    let mut bench = Bench::new();
    for (data_plane, one_by_one, under_load) in [(NATIVE, 900.0, 500.0), (ENVOY, 1000.0, 1000.0)] {
        bench.add("mesh", plain(data_plane), Measure::Connect, one_by_one);
        bench.add("mesh", plain(data_plane), Measure::ConnectLoad, under_load);
    }
    let targets = bench.report().targets;
    assert_eq!(named(&targets, "connection, mTLS: CPU").members[0].measure, Measure::ConnectLoad);
    assert_eq!(named(&targets, "connection, mTLS: p50").members[0].measure, Measure::Connect);
}

#[test]
fn longer_round_trips_have_no_targets() {
    let mut bench = Bench::new();
    for (data_plane, rtt, p50) in
        [(NATIVE, 0, 500.0), (ENVOY, 0, 1000.0), (NATIVE, 10, 30_000.0), (ENVOY, 10, 30_000.0)]
    {
        bench.connects("mesh", Setup { rtt: Duration::from_millis(rtt), ..plain(data_plane) }, p50);
    }
    assert_eq!(named(&bench.report().targets, "connection, mTLS: p50").members[0].ratio.value, 0.5);
}

#[test]
fn one_data_plane_alone_has_no_targets() {
    let mut bench = Bench::new();
    bench.connects("mesh", plain(NATIVE), 500.0);
    assert_eq!(bench.report().targets, []);
}

#[test]
fn every_target_can_be_measured_and_has_a_harder_stretch_goal() {
    let mut bench = Bench::new();
    let layerings = ["redirect", "passthrough", "mesh", "double", "leg3", "mesh-http", "leg3-http"];
    for measure in Measure::ALL {
        for layering in layerings {
            for data_plane in [NATIVE, ENVOY] {
                bench.add(layering, plain(data_plane), measure, 1e6);
            }
        }
    }
    let targets = bench.report().targets;
    assert_eq!(targets.len(), GOALS.len());
    let names: BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names.len(), GOALS.len(), "a name is duplicated");
    for goal in GOALS {
        assert_eq!(goal.reached(goal.stretch), Reached::Stretch, "{}", goal.name);
        assert_eq!(goal.reached(goal.target), Reached::Target, "{}", goal.name);
    }
}
