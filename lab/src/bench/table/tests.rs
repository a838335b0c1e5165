use super::*;
use crate::{
    bench::fixtures::{Bench, FULL, plain},
    data_plane::DataPlane,
};

#[test]
fn the_text_fits_the_terminal() {
    for width in [80, WIDTH, 200] {
        for line in render(&FULL, width).lines() {
            assert!(line.chars().count() <= width, "{} columns of {width}: {line}", line.chars().count());
        }
    }
}

#[test]
fn machine_and_settings_are_in_the_first_lines() {
    let report = &*FULL;
    let text = render(report, WIDTH);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains(&report.machine.kernel) && lines[0].ends_with("1970-01-01 00:00 UTC, 60 s"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("key p256, key exchange x25519mlkem768, resumption off, "), "{}", lines[1]);
}

#[test]
fn what_was_not_measured_is_a_dash() {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", plain(DataPlane::Native), Measure::Down, &[1e9; 3]);
    bench.add_rounds("double", plain(DataPlane::Envoy), Measure::Down, &[1e9; 3]);
    let text = render(&bench.report(), WIDTH);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["double", "-", "-", "-", "-", "-"]), "{text}");
    assert!(!text.contains("new connections"), "a measure that was not made has no table: {text}");
}

#[test]
fn a_figure_measured_once_has_no_interval() {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", plain(DataPlane::Native), Measure::Down, &[1e9]);
    let text = render(&bench.report(), WIDTH);
    assert!(text.contains("\nmesh  1.00 ±?  "), "{text}");
}

#[test]
fn both_data_planes_have_a_table_of_targets_and_one_alone_has_none() {
    let text = render(&FULL, WIDTH);
    assert!(text.contains("\nconnection, mTLS: CPU "), "{text}");
    assert!(text.contains(" targets: "), "{text}");
    let mut native = Bench::new();
    native.connects("mesh", plain(DataPlane::Native), 1.0);
    assert!(!render(&native.report(), WIDTH).contains("target"));
}
