//! The answers, on a scale with a mark at "twice".

use std::time::Duration;

use maud::{Markup, html};

use super::{capital, class, percent};
use crate::bench::{
    answers::{self, Answer, Twice, subject},
    report::BenchReport,
    stats::Estimate,
};

/// The scale goes from once, which is no more, to this many times, or as far as it must.
const FAR: f64 = 2.6;

/// The answer of the first data plane, in one line.
pub(super) fn headline(report: &BenchReport) -> String {
    let Some(first) = report.answers.first() else { return "What the layers cost".into() };
    let of_setup = report.answers.iter().filter(|answer| answer.setup == first.setup);
    let ratios: Vec<String> =
        of_setup.map(|answer| format!("{} ×{:.2}", subject(&answer.claim), answer.whole.value)).collect();
    format!("A second layer of TLS: {}", ratios.join(", "))
}

pub(super) fn render(report: &BenchReport) -> Markup {
    let fewest = report.answers.iter().map(|answer| answer.setup.concurrency).min();
    let shown = || report.answers.iter().filter(|answer| Some(answer.setup.concurrency) == fewest);
    let mut claims: Vec<&str> = shown().map(|answer| answer.claim.as_str()).collect();
    claims.sort_unstable();
    claims.dedup();
    // By the values: a wide interval is cut off.
    let highest = shown().flat_map(|answer| [Some(answer.whole.value), answer.tls.map(|tls| tls.value)]);
    let far = (highest.flatten().fold(0.0, f64::max) * 1.1).clamp(FAR, 6.0);
    html! {
        @if !claims.is_empty() {
            section .answers {
                h2 { "Is it twice?" }
                div .panels {
                    @for claim in claims {
                        div .card {
                            h3 { (claim) ": " (subject(claim)) }
                            (scale(far))
                            @for answer in shown().filter(|answer| answer.claim == claim) { (rows(answer, far)) }
                        }
                    }
                }
                ul .plain .verdicts {
                    @for line in answers::twice(&shown().cloned().collect::<Vec<_>>()) { li { (capital(&line)) } }
                }
                details {
                    summary { "In words, with intervals" }
                    ul .plain .words {
                        @for answer in &report.answers {
                            li { b { (answer.claim) } " (" (answer.setup) "): " (answer.words) }
                        }
                    }
                }
            }
        }
    }
}

fn rows(answer: &Answer, far: f64) -> Markup {
    let class = class(answer.setup);
    html! {
        (row(&answer.setup.to_string(), class, &answer.whole, far, true))
        @for farther in &answer.farther {
            @let at = format!("at {:?} RTT", Duration::from_micros(farther.rtt_us));
            (row(&at, class, &farther.whole, far, false))
        }
        @if let Some(tls) = &answer.tls { (row("of what TLS adds", class, tls, far, false)) }
    }
}

/// A ratio on the scale.
fn row(name: &str, class: &str, ratio: &Estimate, far: f64, strong: bool) -> Markup {
    let at = |value: f64| ((value - 1.0) / (far - 1.0)).clamp(0.0, 1.0);
    let Estimate { value, low, high } = *ratio;
    html! {
        div .gauge .strong[strong] title=(Twice::classify(ratio).as_str()) {
            span .name { (name) }
            span .track .(class) {
                span .two style=(percent("left", at(2.0))) {}
                span .range style=(format!("{}; {}", percent("left", at(low)), percent("width", at(high) - at(low)))) {}
                span .dot style=(percent("left", at(value))) {}
            }
            span .value { "×" (format!("{value:.2}")) }
        }
    }
}

/// The legend of the scale.
fn scale(far: f64) -> Markup {
    html! {
        div .gauge .scale aria-hidden="true" {
            span .name {}
            span .track {
                span .at style="left: 0" { "×1" }
                span .at style=(percent("left", 1.0 / (far - 1.0))) { "twice" }
            }
            span .value {}
        }
    }
}
