use std::time::Duration;

use super::*;
use crate::{
    bench::fixtures::{Bench, plain},
    data_plane::DataPlane,
};

/// The answers of a bench with these medians of a new connection, in microseconds, by layering and distance.
fn answers(figures: &[(&str, u64, f64)]) -> Vec<Answer> {
    let mut bench = Bench::new();
    for (layering, rtt_ms, p50) in figures {
        let setup = Setup { rtt: Duration::from_millis(*rtt_ms), ..plain(DataPlane::Native) };
        bench.connects(layering, setup, *p50);
    }
    compute(bench.report().measured())
}

#[test]
fn twice_needs_an_interval_that_contains_it() {
    let answers = |double: f64| answers(&[("redirect", 0, 200.0), ("mesh", 0, 1000.0), ("double", 0, double)]);
    let [answer] = &answers(1400.0)[..] else { panic!("only new connections were measured") };
    assert_eq!(answer.claim, "C10");
    assert_eq!(
        answer.words,
        "the second handshake makes a new connection x1.40 [1.40-1.40] here (less than twice); \
         of what TLS adds, x1.50 [1.50-1.50] (less than twice)"
    );
    assert!(answers(2000.0)[0].words.contains("x2.00 [2.00-2.00] here (twice, within what was measured)"));
    assert!(answers(2600.0)[0].words.contains("x2.60 [2.60-2.60] here (more than twice)"));
}

#[test]
fn an_answer_includes_longer_round_trips() {
    let answers =
        answers(&[("mesh", 0, 1000.0), ("double", 0, 1500.0), ("mesh", 10, 31_000.0), ("double", 10, 41_850.0)]);
    let [answer] = &answers[..] else { panic!("one answer for all distances: {answers:?}") };
    assert_eq!(
        answer.words,
        "the second handshake makes a new connection x1.50 [1.50-1.50] here (less than twice), \
         x1.35 [1.35-1.35] at 10ms RTT (less than twice)"
    );
    assert_eq!(answer.farther[0].rtt_us, 10_000);
}

#[test]
fn what_was_not_measured_is_not_answered() {
    assert!(answers(&[("mesh", 0, 1000.0)]).is_empty());
    assert!(answers(&[]).is_empty());
}

#[test]
fn costs_that_double_are_listed_apart_from_those_that_do_not() {
    let answers = answers(&[("redirect", 0, 500.0), ("mesh", 0, 1000.0), ("double", 0, 1500.0)]);
    assert_eq!(
        twice(&answers),
        [
            "twice, within what was measured: what TLS adds to a new connection (native)",
            "less than twice: a new connection (native)",
        ]
    );
}

#[test]
fn one_round_is_too_few_to_answer() {
    let mut bench = Bench::new();
    for (layering, p50) in [("mesh", 1000.0), ("double", 1400.0)] {
        bench.add_rounds(layering, plain(DataPlane::Native), Measure::Connect, &[p50]);
    }
    let words = &compute(bench.report().measured())[0].words;
    assert!(words.ends_with("x1.40 here (measured once: too few rounds to say)"), "{words}");
}
