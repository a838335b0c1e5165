use super::*;
use crate::{
    bench::{
        fixtures::{Bench, plain},
        report::BenchReport,
    },
    data_plane::DataPlane,
};

fn bench(figures: &[(&str, f64)]) -> BenchReport {
    let mut bench = Bench::new();
    for (layering, p50) in figures {
        bench.add_rounds(layering, plain(DataPlane::Native), Measure::Connect, &[*p50; 3]);
    }
    bench.report()
}

#[test]
fn the_parts_add_up_to_the_whole_but_for_what_they_do_not_explain() {
    let report =
        bench(&[("direct", 100.0), ("app-tls", 400.0), ("redirect", 250.0), ("mesh", 900.0), ("double", 1250.0)]);
    let all = compute(report.measured());
    let p50 = all.iter().find(|parts| parts.figure == Figure::P50).unwrap();
    let costs: Vec<(&str, f64)> = p50.parts.iter().map(|part| (part.name.label(), part.cost.value)).collect();
    assert_eq!(
        costs,
        [
            ("the apps alone", 100.0),
            ("two redirects and proxies", 150.0),
            ("of which one proxy hop", 75.0),
            ("TLS of the mesh", 650.0),
            ("TLS of the apps", 300.0),
            ("a second layer", 350.0),
        ]
    );
    assert_eq!((p50.residual.value, p50.whole.value), (50.0, 1250.0));
    let sum: f64 = p50.parts.iter().filter(|part| part.name.adds_up()).map(|part| part.cost.value).sum();
    assert_eq!(sum + p50.residual.value, p50.whole.value);
}

#[test]
fn a_model_with_a_layering_missing_is_none() {
    assert_eq!(
        compute(bench(&[("direct", 100.0), ("redirect", 250.0), ("mesh", 900.0), ("double", 1250.0)]).measured()),
        []
    );
    assert_eq!(compute(bench(&[]).measured()), []);
}
