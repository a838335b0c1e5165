use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    bench::{report::Series, rig::Role, sample::Latency, setup::Settings},
    verdict::DataPlane,
};

/// A bench in which each layering's median new connection took so many microseconds, in each of five rounds.
fn bench(figures: &[(&str, f64)]) -> BenchReport {
    let sample = |p50: f64, round: f64| {
        let latency = Latency { p50_us: p50 * round, p90_us: 0.0, p99_us: 0.0, p999_us: 0.0, max_us: 0.0 };
        Sample { latency: Some(latency), cost: BTreeMap::from([(Role::ClientApp, p50)]), ..Sample::default() }
    };
    let series = figures.iter().map(|(name, p50)| Series {
        layering: (*name).to_owned(),
        setup: Setup::plain(DataPlane::Native),
        measure: Measure::Connect,
        operations: 100,
        offered: None,
        // A machine whose speed changes from round to round.
        samples: [1.0, 1.3, 0.9, 2.0, 1.1].map(|round| sample(*p50, round)).into(),
    });
    let when = (jiff::Timestamp::UNIX_EPOCH, Duration::ZERO);
    let (settings, none) = ((Settings::default(), Vec::new()), (Vec::new(), Vec::new()));
    BenchReport::new(when, settings, none, (series.collect(), Vec::new()))
}

#[test]
fn twice_is_only_said_where_the_interval_holds_it() {
    let answers = |double: f64| bench(&[("redirect", 200.0), ("mesh", 1000.0), ("double", double)]).answers;
    let [answer] = &answers(1400.0)[..] else { panic!("only new connections were measured") };
    assert_eq!(answer.claim, "C10");
    assert_eq!(
        answer.words,
        "double encryption makes a new connection's first byte x1.40 [1.40-1.40] here: less than twice; \
         of what TLS adds, x1.50 [1.50-1.50]: less than twice"
    );
    assert!(answers(2000.0)[0].words.contains("x2.00 [2.00-2.00] here: twice, within what was measured"));
    assert!(answers(2600.0)[0].words.contains("x2.60 [2.60-2.60] here: more than twice"));
}

#[test]
fn what_was_not_measured_is_not_answered() {
    assert!(bench(&[("mesh", 1000.0)]).answers.is_empty());
    assert!(bench(&[]).answers.is_empty());
}

#[test]
fn the_parts_add_up_to_the_whole_but_for_what_they_do_not_explain() {
    let report =
        bench(&[("direct", 100.0), ("app-tls", 400.0), ("redirect", 250.0), ("mesh", 900.0), ("double", 1250.0)]);
    let parts = parts(&report, Setup::plain(DataPlane::Native), Measure::Connect, Sample::total);
    let told: Vec<(&str, f64)> = parts.iter().map(|part| (part.name.as_str(), part.cost.value)).collect();
    assert_eq!(
        told,
        [
            ("the apps alone", 100.0),
            ("two sidecars and the redirects", 150.0),
            ("TLS between the sidecars", 650.0),
            ("TLS between the apps", 300.0),
            ("a second layer", 350.0),
            ("not explained", 50.0),
        ]
    );
}

#[test]
fn a_bench_reads_back_as_it_was_written() {
    let report = bench(&[("redirect", 512.0), ("mesh", 1024.0), ("double", 1536.0)]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(serde_json::from_value::<BenchReport>(json).unwrap(), report);
}
