//! Latency curves: p50, p90 and p99, a small picture for each layering, all of one measure on the same scale.

use maud::{Markup, html};

use super::{
    class, near,
    svg::{self, Axis, Line},
};
use crate::bench::{figures::Figure, measure::Measure, report::BenchReport, stats::median};

/// The percentiles of a curve, with their axis labels.
const PERCENTILES: [(Figure, &str); 3] = [(Figure::P50, "p50"), (Figure::P90, "p90"), (Figure::P99, "p99")];

pub(super) fn render(report: &BenchReport, measure: Measure) -> Markup {
    let curves: Vec<(&str, Vec<Line>)> = report
        .layerings
        .iter()
        .map(|layering| (layering.name.as_str(), lines(report, measure, &layering.name)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|(_, lines)| lines).flat_map(|line| &line.points).map(|(_, y)| *y);
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let y = Axis::logarithmic(least, most);
    let ticks = PERCENTILES.iter().enumerate().map(|(i, (_, name))| (i as f64, (*name).to_owned())).collect();
    let x = Axis::new(-0.2, 2.2, ticks);
    html! {
        @if !curves.is_empty() {
            h3 { "Latency in µs, on a logarithmic scale" }
            div .multiples {
                @for (layering, lines) in &curves {
                    figure .card {
                        figcaption { b { (layering) } }
                        (svg::plot(&format!("p50, p90 and p99 of {layering}, in µs"), &x, &y, lines))
                    }
                }
            }
        }
    }
}

fn lines(report: &BenchReport, measure: Measure, layering: &str) -> Vec<Line> {
    let line = |setup| {
        let point = |(i, (figure, _)): (usize, &(Figure, _))| {
            Some((i as f64, median(report.measured().values(layering, setup, measure, *figure)?)))
        };
        let points: Vec<(f64, f64)> = PERCENTILES.iter().enumerate().filter_map(point).collect();
        let values: Vec<String> = points.iter().map(|(_, y)| format!("{y:.0}")).collect();
        let name = format!("{setup}: {} µs", values.join(", "));
        (!points.is_empty()).then(|| Line { class: class(setup).to_owned(), points, name })
    };
    if measure.figures().contains(&Figure::P50) {
        near(report).into_iter().filter_map(line).collect()
    } else {
        Vec::new()
    }
}
