use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{fail_on::FailOn, *};
use crate::{
    bench::fixtures::{Bench, plain},
    data_plane::DataPlane,
};

const NATIVE: DataPlane = DataPlane::Native;

/// A bench of new connections over a layering, round by round.
fn bench(rounds: &[f64]) -> BenchReport {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", plain(NATIVE), Measure::Connect, rounds);
    bench.report()
}

fn change(first: &[f64], second: &[f64]) -> Change {
    judge(first, second, Better::Less).unwrap().1
}

#[test]
fn a_bench_beside_itself_has_not_changed() {
    let report = bench(&[1200.0, 1300.0, 1250.0, 1190.0, 1280.0]);
    let comparison = compare(&report, &report);
    assert_eq!(comparison.changed().count(), 0);
    assert!(!comparison.figures.is_empty());
    assert!(comparison.conditions.is_empty() && comparison.only_first.is_empty() && comparison.only_second.is_empty());
}

#[test]
fn noise_is_not_called_a_change() {
    // A machine on which each sample is up to a tenth off, and nothing else.
    let mut random = StdRng::seed_from_u64(7);
    let mut rounds = |count: usize| -> Vec<f64> { (0..count).map(|_| random.random_range(900.0..1100.0)).collect() };
    for count in [3, 5, 8, 20] {
        let changes = (0..400).filter(|_| change(&rounds(count), &rounds(count)) != Change::Same).count();
        assert!(changes <= 12, "{changes} of 400 with {count} rounds");
    }
}

#[test]
fn what_is_beyond_noise_is_a_change_to_the_better_or_the_worse() {
    let before = [1200.0, 1230.0, 1190.0, 1210.0, 1205.0];
    let times = |factor: f64| before.map(|sample| sample * factor);
    assert_eq!(change(&before, &times(0.8)), Change::Better);
    assert_eq!(change(&before, &times(1.25)), Change::Worse);
    let rate = |factor| judge(&before, &times(factor), Better::More).unwrap().1;
    assert_eq!([rate(0.8), rate(1.25)], [Change::Worse, Change::Better], "of a rate, more is better");
}

#[test]
fn a_certain_but_tiny_difference_is_not_a_change() {
    assert_eq!(change(&[1000.0; 8], &[1010.0; 8]), Change::Same);
}

#[test]
fn three_samples_show_only_large_changes() {
    assert_eq!(change(&[1000.0, 1050.0, 1100.0], &[1120.0, 1170.0, 1190.0]), Change::Same);
    assert_eq!(change(&[1000.0, 1010.0, 1005.0], &[1120.0, 1130.0, 1125.0]), Change::Worse);
    assert_eq!(change(&[1000.0], &[2000.0]), Change::Same, "one sample shows nothing");
}

#[test]
fn differing_conditions_come_first() {
    let mut first = bench(&[1000.0; 5]);
    let mut second = first.clone();
    first.machine.kernel = "6.1".into();
    second.machine.kernel = "6.18".into();
    second.settings.resumption = !first.settings.resumption;
    let comparison = compare(&first, &second);
    let names: Vec<&str> = comparison.conditions.iter().map(|condition| condition.name.as_str()).collect();
    assert_eq!(names, ["machine.kernel", "settings.resumption"]);
    let text = table::render(&comparison, ["a.json", "b.json"], 100);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "A: a.json, of 1970-01-01 00:00 UTC, sidelab 0.1.0");
    assert_eq!(lines[2], "not alike: machine.kernel: 6.1 in A, 6.18 in B");
}

#[test]
fn what_only_one_bench_has_is_named() {
    let far = Setup { rtt: Duration::from_millis(10), ..plain(NATIVE) };
    let mut first = Bench::new();
    first.connects("mesh", plain(NATIVE), 1000.0);
    first.connects("double", plain(NATIVE), 1000.0);
    let mut second = Bench::new();
    second.connects("mesh", plain(NATIVE), 1000.0);
    second.connects("mesh", far, 1000.0);
    let comparison = compare(&first.report(), &second.report());
    let text = table::render(&comparison, ["a", "b"], 100);
    assert!(text.contains("\nonly in A, native: new connections of double\n"), "{text}");
    assert!(text.contains("\nonly in B, native, 10ms RTT: new connections of mesh\n"), "{text}");
}

#[test]
fn a_change_without_a_sidecar_is_put_down_to_the_machine() {
    let of = |p50: f64| {
        let mut bench = Bench::new();
        bench.add_rounds("direct", plain(NATIVE), Measure::Connect, &[p50; 6]);
        bench.add_rounds("mesh", plain(NATIVE), Measure::Connect, &[p50 * 10.0; 6]);
        bench.report()
    };
    let text = table::render(&compare(&of(100.0), &of(150.0)), ["a", "b"], 100);
    assert!(text.contains("of what changed has no sidecar in it: the machine or the apps were not alike"), "{text}");
}

#[test]
fn the_text_fits_the_terminal() {
    let of = |figure: f64| {
        let mut bench = Bench::new();
        let setup = Setup { rtt: Duration::from_millis(50), concurrency: 16, ..plain(DataPlane::NativeToEnvoy) };
        for measure in Measure::ALL {
            bench.add_rounds("passthrough", setup, measure, &[figure; 6]);
        }
        bench.report()
    };
    let comparison = compare(&of(123_456.0), &of(7_654_321.0));
    for width in [80, 100, 200] {
        for line in table::render(&comparison, ["a.json", "b.json"], width).lines() {
            assert!(line.chars().count() <= width, "{} columns of {width}: {line}", line.chars().count());
        }
    }
}

/// Comparisons of a bench with a slower one, and with one of another rate; `times` is the factor.
fn slower(times: f64) -> Comparison {
    let of = |times: f64| {
        let mut bench = Bench::new();
        bench.add_rounds("mesh", plain(NATIVE), Measure::Connect, &[1000.0 * times; 6]);
        bench.report()
    };
    compare(&of(1.0), &of(times))
}

#[test]
fn a_comparison_fails_on_what_is_worse_by_as_much_as_is_asked_for() {
    let failing = |times: f64, on: &str| slower(times).failing(on.parse().unwrap()).len();
    assert_eq!(failing(1.0, "worse"), 0);
    assert!(failing(1.2, "worse") > 0);
    assert_eq!(failing(1.2, "worse"), failing(1.2, "worse=10%"));
    assert_eq!(failing(1.2, "worse=30%"), 0, "worse, but not by as much");
    let faster = slower(0.8);
    let failing = faster.failing("worse".parse().unwrap());
    assert!(failing.iter().all(|compared| compared.figure == Figure::Rate), "of a rate, less is worse: {failing:?}");
}

#[test]
fn a_failing_figure_is_reported_with_both_medians() {
    let comparison = slower(1.25);
    let summary = comparison.failing("worse".parse().unwrap())[0].summary();
    assert_eq!(summary, "mesh: new connections, p50 (native): 1000 -> 1250 µs, +25 %");
}

#[test]
fn what_to_fail_on_is_a_word_and_a_share() {
    for text in ["", "better", "worse=", "worse=5", "worse=0.05", "worse=-1%", "worse=x%", "worse=nan%"] {
        assert!(text.parse::<FailOn>().is_err(), "{text}");
    }
    assert_eq!("worse=7.5%".parse::<FailOn>().unwrap().to_string(), "worse by 7.5 % or more");
}
