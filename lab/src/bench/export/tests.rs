use pretty_assertions::assert_eq;

use super::*;
use crate::bench::fixtures::{Bench, FULL, plain};

fn bench() -> BenchReport {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", plain(DataPlane::Native), Measure::Down, &[2e9, 2e9, 2e9]);
    bench.report()
}

#[test]
fn each_figure_is_a_line_of_csv() {
    let text = csv(&bench()).unwrap();
    let mut lines = text.lines();
    let head =
        "layering,data_plane,concurrency,rtt_us,message_bytes,measure,figure,unit,better,median,low,high,samples";
    assert_eq!(lines.next(), Some(head));
    assert_eq!(lines.next(), Some("mesh,native,1,0,64,down,rate,GB/s,more,2.0,2.0,2.0,3"));
    let all: usize = FULL.series.iter().map(|series| series.measure.figures().len()).sum();
    assert_eq!(csv(&FULL).unwrap().lines().count(), all + 1);
}

#[test]
fn a_figure_measured_once_has_no_interval() {
    let mut bench = Bench::new();
    bench.add_rounds("mesh", plain(DataPlane::Native), Measure::Down, &[2e9]);
    let report = bench.report();
    assert_eq!(csv(&report).unwrap().lines().nth(1), Some("mesh,native,1,0,64,down,rate,GB/s,more,2.0,,,1"));
    assert_eq!(entries(&report, Better::More)[0].range, None);
}

#[test]
fn github_action_benchmark_gets_figures_of_one_direction() {
    let rates = entries(&bench(), Better::More);
    assert_eq!(
        serde_json::to_value(&rates).unwrap(),
        serde_json::json!([{
            "name": "mesh: bulk down, rate (native)", "unit": "GB/s", "value": 2.0, "range": "± 0.00",
            "extra": format!("median of 3, interval of 95 %; sidelab {}", env!("CARGO_PKG_VERSION")),
        }])
    );
    let costs = entries(&bench(), Better::Less);
    assert!(costs.iter().all(|entry| entry.unit != "GB/s") && !costs.is_empty(), "{costs:?}");
}
