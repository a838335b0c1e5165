//! Bars with intervals: a figure of a measure, by layering, for each setup.

use maud::{Markup, html};

use super::{class, near, percent};
use crate::bench::{
    figures::{Better, Figure},
    measure::{Group, Measure},
    report::BenchReport,
    setup::Setup,
    stats::Estimate,
};

/// The figures of a measure that are drawn; the table and the JSON have all.
pub(super) fn figures(measure: Measure) -> &'static [Figure] {
    match (measure, measure.group()) {
        (Measure::Connect, _) => &[Figure::P50, Figure::Cost, Figure::Sidecars, Figure::Packets, Figure::Bytes],
        (Measure::Request, _) => &[Figure::P50, Figure::Cost, Figure::Sidecars],
        (Measure::Down, _) => &[Figure::Rate, Figure::Cost, Figure::Sidecars, Figure::Bytes],
        (_, Group::Memory) => &[Figure::Cost, Figure::Sidecars, Figure::AtRest],
        _ => &[Figure::Rate, Figure::Cost, Figure::Sidecars],
    }
}

/// One figure; `None` if it was not measured.
pub(super) fn panel(report: &BenchReport, measure: Measure, figure: Figure) -> Option<Markup> {
    let estimate = |layering: &str, setup: Setup| {
        let values = report.measured().values(layering, setup, measure, figure)?;
        Some((setup, Estimate::from_medians(&[&values], |medians| medians[0])?))
    };
    let rows: Vec<(&str, Vec<(Setup, Estimate)>)> = report
        .layerings
        .iter()
        .map(|layering| {
            (
                layering.name.as_str(),
                near(report).into_iter().filter_map(|setup| estimate(&layering.name, setup)).collect(),
            )
        })
        .filter(|(_, bars): &(_, Vec<_>)| !bars.is_empty())
        .collect();
    // A wide interval is cut off, so that it does not shrink all bars.
    let most = rows.iter().flat_map(|(_, bars)| bars).map(|(_, bar)| bar.value).fold(0.0, f64::max) * 1.15;
    let decimals = figure.decimals(measure);
    let better = if figure.better() == Better::More { "more is better" } else { "less is better" };
    (most > 0.0).then(|| {
        html! {
            figure .card .bars {
                figcaption { b { (figure.name(measure)) ", " (figure.unit(measure)) } " " span .soft { (better) } }
                @for (layering, bars) in &rows {
                    div .row {
                        span .name { (layering) }
                        div .beside {
                            @for (setup, bar) in bars {
                                div .line title=(setup) {
                                    span .track { (fill(*setup, bar, most)) }
                                    span .value { (format!("{:.decimals$}", bar.value)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn fill(setup: Setup, bar: &Estimate, most: f64) -> Markup {
    let (low, high) = ((bar.low / most).clamp(0.0, 1.0), (bar.high / most).clamp(0.0, 1.0));
    html! {
        span .fill .(class(setup)) style=(percent("width", bar.value / most)) {}
        @if !bar.is_from_one_round() {
            span .range style=(format!("{}; {}", percent("left", low), percent("width", high - low))) {}
        }
    }
}
