use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn bench(line: &str) -> BenchArgs {
    let words = ["sidelab", "bench"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Bench(args) => args,
        other => panic!("{other:?} is not a bench"),
    }
}

#[test]
fn a_bench_measures_all_and_a_quick_one_what_the_answers_need() {
    assert_eq!(bench("").measures(), Measure::ALL);
    assert_eq!(bench("--quick").measures(), Measure::QUICK);
    assert_eq!(bench("--quick up_4").measures(), [Measure::Up4]);
    assert_eq!(bench("--quick all").measures(), Measure::ALL);
}

#[test]
fn measures_are_shown_in_one_order_whatever_the_order_of_their_names() {
    let measures = bench("idle request handshake connect").measures();
    assert_eq!(measures, [Measure::Connect, Measure::ConnectLoad, Measure::Request, Measure::Idle]);
}

#[test]
fn each_lab_has_its_share_of_the_budget_unless_one_is_named() {
    let budget = |line: &str| bench(line).pace().budget.as_secs();
    assert_eq!(budget("--data-plane envoy"), 300);
    assert_eq!(budget("--data-plane native,envoy,both --concurrency 1,2,1 --message-size 64,1024"), 1200);
    assert_eq!(budget("--data-plane native,envoy --budget 30s"), 30);
    assert_eq!(budget("--budget 30"), 30, "seconds, as it always was");
    assert_eq!(budget("--data-plane native,envoy --quick"), 60);
}

#[test]
fn options_that_are_not_given_have_the_settings_defaults() {
    let settings = |line: &str| {
        let args = bench(line);
        args.settings.settings(args.quick).unwrap()
    };
    assert_eq!(settings(""), crate::bench::setup::Settings::default());
    assert_eq!(settings("--quick").idle, [0, 1000]);
    assert_eq!(settings("--idle 200,0,200").idle, [0, 200]);
}
