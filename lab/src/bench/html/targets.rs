//! The targets: ratios on a scale, with their goals.

use maud::{Markup, html};

use super::percent;
use crate::bench::{
    figures::Better,
    report::BenchReport,
    stats::Estimate,
    targets::{Member, Reached, Target},
};

/// Where the scale of ratios ends.
const FAR: f64 = 2.0;

pub(super) fn render(report: &BenchReport) -> Markup {
    let reached = report.targets.iter().filter(|target| target.reached != Reached::Not).count();
    html! {
        @if !report.targets.is_empty() {
            section .targets {
                h2 { "Native compared with Envoy: " (reached) " of " (report.targets.len()) " targets reached" }
                p .soft {
                    "Native divided by Envoy, for both sidecars together, with the number of workers that suits Envoy best. "
                    "The mark is the target, the pale one the stretch goal. A target is reached if each of its figures reaches it."
                }
                @for target in &report.targets { (row(target)) }
            }
        }
    }
}

fn row(target: &Target) -> Markup {
    let (class, sign) = match target.reached {
        Reached::Stretch => ("ok", "✓✓"),
        Reached::Target => ("ok", "✓"),
        Reached::Not => ("bad", "✗"),
    };
    html! {
        details .target {
            summary {
                span .mark .(class) { span aria-hidden="true" { (sign) } span .sr { (target.reached.as_str()) } }
                span .name { (target.name) }
                @if let Some(member) = target.members.first() { (scale(target, member)) }
            }
            ul .plain { @for member in &target.members { li { (member_line(member)) } } }
        }
    }
}

/// The furthest member's ratio.
fn scale(target: &Target, member: &Member) -> Markup {
    let at = |ratio: f64| (ratio / FAR).clamp(0.0, 1.0);
    let Estimate { value, low, high } = member.ratio;
    let aim = if target.better == Better::More { "at least" } else { "at most" };
    html! {
        span .track .native title=(format!("{aim} {:.2}, at a stretch {:.2}", target.target, target.stretch)) {
            span .even style=(percent("left", at(1.0))) {}
            span .aim .far style=(percent("left", at(target.stretch))) {}
            span .aim style=(percent("left", at(target.target))) {}
            span .range style=(format!("{}; {}", percent("left", at(low)), percent("width", at(high) - at(low)))) {}
            span .dot style=(percent("left", at(value))) {}
        }
        span .value { b { (format!("{value:.2}")) } span .soft { " / " (format!("{:.2}", target.target)) } }
    }
}

fn member_line(member: &Member) -> Markup {
    let decimals = member.figure.decimals(member.measure);
    let Estimate { value, low, high } = member.ratio;
    html! {
        b { (member.label()) } ": "
        (format!("{value:.2} [{low:.2}-{high:.2}], {:.decimals$} / {:.decimals$} {}", member.native, member.envoy, member.unit))
        " (" (member.measure) ", workers: " (member.concurrency) "): " (member.reached.as_str())
    }
}
