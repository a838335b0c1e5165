//! The effect of distance: the median of a new connection over the round trip, and how many round trips it takes.

use maud::{Markup, html};

use super::svg::{self, Axis, Line};
use crate::bench::{
    figures::Figure, measure::Measure, report::BenchReport, round_trips::RoundTrips, setup::Setup, stats::median,
};

pub(super) fn render(report: &BenchReport) -> Markup {
    let fewest = report.round_trips.iter().map(|one| one.concurrency).min();
    let shown: Vec<&RoundTrips> = report.round_trips.iter().filter(|one| Some(one.concurrency) == fewest).collect();
    html! {
        @if !shown.is_empty() {
            section .distance {
                h2 { "Farther away: round trips until the first byte of a new connection" }
                div .panels {
                    @for plane in shown.chunk_by(|one, other| one.data_plane == other.data_plane) { (card(report, plane)) }
                }
            }
        }
    }
}

fn card(report: &BenchReport, layerings: &[&RoundTrips]) -> Markup {
    let mut lines: Vec<Line> = layerings.iter().map(|one| line(report, one)).collect();
    // Many overlap: those of the questions are on top.
    lines.sort_by_key(|line| !line.class.starts_with("other"));
    let most = |of: fn(&(f64, f64)) -> f64| lines.iter().flat_map(|line| &line.points).map(of).fold(0.0, f64::max);
    let (x, y) = (Axis::up_to(most(|(x, _)| *x)), Axis::up_to(most(|(_, y)| *y)));
    html! {
        figure .card {
            figcaption { b { @if let Some(first) = layerings.first() { (first.data_plane) } } " " span .soft { "p50 in ms, over the round trip in ms" } }
            (svg::plot("the median of a new connection over the round trip, by layering", &x, &y, &lines))
            ul .shares {
                @for one in layerings {
                    li { span .dot .curve .(class(&one.layering)) {} (one.layering) " " b { (format!("{:.1}", one.round_trips.value)) } " round trips" }
                }
            }
        }
    }
}

fn line(report: &BenchReport, of: &RoundTrips) -> Line {
    let setups = report.measured().setups().into_iter();
    let along = setups.filter(|setup| (setup.data_plane, setup.concurrency) == (of.data_plane, of.concurrency));
    let point = |setup: Setup| {
        let values = report.measured().values(&of.layering, setup, Measure::Connect, Figure::P50)?;
        Some((setup.rtt.as_secs_f64() * 1e3, median(values) / 1e3))
    };
    Line { class: class(&of.layering).to_owned(), points: along.filter_map(point).collect(), name: of.layering.clone() }
}

/// A layering's colour; those whose sidecars read HTTP are dashed.
fn class(layering: &str) -> &'static str {
    match layering {
        "direct" => "tcp",
        "app-tls" => "tls",
        "redirect" => "http",
        "passthrough" => "h2",
        "mesh" => "mtls",
        "double" => "twice",
        "leg3" => "other",
        "mesh-http" => "mtls dashed",
        _ => "other dashed",
    }
}
