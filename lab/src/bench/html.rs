//! A bench as one self-contained HTML page: the answers, the targets, the parts of a call, and each figure as a bar with its
//! interval.
//!
//! Like the page of a run it needs no script and fetches nothing. Bars are boxes, curves are SVG without fixed colours, so
//! that the page adapts to its width, and to light and dark.

use maud::{Markup, html};

use super::{conditions, measure::Measure, report::BenchReport, setup::Setup};
use crate::{
    data_plane::DataPlane,
    report::html::{document, foot},
};

mod answers;
mod bars;
mod curves;
mod distance;
mod stack;
mod svg;
mod targets;
#[cfg(test)]
mod tests;

const STYLE: &str = include_str!("html/page.css");

pub fn render(report: &BenchReport) -> String {
    let body = html! {
        header .top {
            p .brand { "sidelab bench" }
            h1 { (answers::headline(report)) }
            p .lead {
                "What TLS costs in a mesh, layer by layer: each layering was checked on the wire before it was measured. "
                "A thin line is the 95 % interval of its bar."
            }
            (legend(report))
        }
        main {
            (answers::render(report))
            (distance::render(report))
            (stack::render(report))
            (targets::render(report))
            @for measure in Measure::ALL { (section(report, measure)) }
            (under_what(report))
        }
        (foot(&report.version))
    };
    document("sidelab bench", STYLE, &body)
}

/// One measure: its bars, and its curves.
fn section(report: &BenchReport, measure: Measure) -> Markup {
    let panels: Vec<Markup> =
        bars::figures(measure).iter().filter_map(|figure| bars::panel(report, measure, *figure)).collect();
    html! {
        @if !panels.is_empty() {
            section .measure {
                h2 { (capital(measure.description())) }
                div .panels { @for panel in &panels { (panel) } }
                (curves::render(report, measure))
            }
        }
    }
}

/// The legend of colours.
fn legend(report: &BenchReport) -> Markup {
    html! {
        p .keys {
            @for setup in near(report) {
                span .key { span .swatch .(class(setup)) {} " " (setup) }
            }
        }
    }
}

/// Machine, settings, and what was not measured.
fn under_what(report: &BenchReport) -> Markup {
    html! {
        section .conditions {
            h2 { "Under what" }
            p { (conditions::machine(report)) }
            p { (conditions::settings(&report.settings).join(", ")) }
            ul .plain {
                @for rtt in &report.rtts {
                    li { "round trips of " (millis(rtt.asked_us as f64)) " more took " (millis(rtt.measured_us)) " more" }
                }
                @for warning in &report.warnings { li .bad { (warning) } }
                @for refuted in &report.refuted {
                    li .bad { (refuted.name) " (" (refuted.data_plane) ") was not measured: " (refuted.seen.join("; ")) }
                }
                @for failed in &report.failed {
                    li .bad { (failed.measure) " of " (failed.layering) " (" (failed.setup) ") ended early: " (failed.why) }
                }
            }
            div .scroll {
                table {
                    thead { tr { th scope="col" { "layering" } @for leg in 1..=3 { th scope="col" { "leg " (leg) } } } }
                    tbody {
                        @for layering in &report.layerings {
                            tr {
                                th scope="row" { (layering.name) }
                                @for leg in &layering.legs { td { (leg.as_deref().unwrap_or("–")) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The setups with the shortest round trip, for which bars are drawn.
fn near(report: &BenchReport) -> Vec<Setup> {
    let setups = report.measured().setups();
    let shortest = setups.iter().map(|setup| setup.rtt).min();
    setups.into_iter().filter(|setup| Some(setup.rtt) == shortest).collect()
}

/// A setup's colour: its data plane's, paler with more workers.
fn class(setup: Setup) -> &'static str {
    match (setup.data_plane, setup.concurrency) {
        (DataPlane::Native, 0 | 1) => "native",
        (DataPlane::Native, _) => "native more",
        (DataPlane::Envoy, 0 | 1) => "envoy",
        (DataPlane::Envoy, _) => "envoy more",
        (DataPlane::NativeToEnvoy | DataPlane::EnvoyToNative, _) => "mixed",
    }
}

/// `1.25 ms`, of microseconds.
fn millis(micros: f64) -> String {
    format!("{} ms", (micros / 10.0).round() / 100.0)
}

/// `left: 12.5%`, of a share.
fn percent(name: &str, share: f64) -> String {
    format!("{name}: {:.2}%", share.clamp(0.0, 1.0) * 100.0)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
