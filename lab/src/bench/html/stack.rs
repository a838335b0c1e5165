//! The cost model, as stacked bars of parts.

use maud::{Markup, html};

use super::percent;
use crate::bench::{
    parts::{PartName, Parts},
    report::BenchReport,
    stats::Estimate,
};

pub(super) fn render(report: &BenchReport) -> Markup {
    let fewest = report.parts.iter().map(|parts| parts.setup.concurrency).min();
    let shown: Vec<&Parts> = report.parts.iter().filter(|parts| Some(parts.setup.concurrency) == fewest).collect();
    html! {
        @if !shown.is_empty() {
            section .stacks {
                h2 { "What a doubly encrypted call is made of" }
                p .soft {
                    "Each part is the difference between two layerings that differ only in it; the rest of the "
                    "whole is not explained by the parts."
                }
                div .panels { @for setup in shown.chunk_by(|one, other| one.setup == other.setup) { (card(setup)) } }
            }
        }
    }
}

fn card(figures: &[&Parts]) -> Markup {
    html! {
        div .card {
            @if let Some(first) = figures.first() { h3 { (first.setup) } }
            @for parts in figures { (stack(parts)) }
        }
    }
}

fn stack(parts: &Parts) -> Markup {
    let added: Vec<(&str, &str, &Estimate)> = parts
        .parts
        .iter()
        .filter(|part| part.name.adds_up())
        .map(|part| (part.name.label(), class(part.name), &part.cost))
        .chain([("not explained", "rest", &parts.residual)])
        .collect();
    let all: f64 = added.iter().map(|(_, _, cost)| cost.value.max(0.0)).sum();
    let decimals = parts.figure.decimals(parts.measure);
    html! {
        figure .stack {
            figcaption {
                b { (parts.figure.name(parts.measure)) " of " (parts.object()) }
                " " span .soft { (format!("{:.decimals$}", parts.whole.value)) " " (parts.unit) }
            }
            div .bar {
                @for (name, class, cost) in &added {
                    span .seg .(class) title=(name) style=(percent("width", cost.value.max(0.0) / all.max(f64::MIN_POSITIVE))) {}
                }
            }
            ul .shares {
                @for (name, class, cost) in &added {
                    li {
                        span .dot .(class) {}
                        (name) " " b { (format!("{:.decimals$}", cost.value)) }
                        @if !cost.is_from_one_round() { " ±" (format!("{:.decimals$}", (cost.high - cost.low) / 2.0)) }
                    }
                }
            }
        }
    }
}

fn class(part: PartName) -> &'static str {
    match part {
        PartName::Apps => "tcp",
        PartName::TwoProxies | PartName::OneProxy => "http",
        PartName::MeshTls => "mtls",
        PartName::AppTls | PartName::SecondLayer => "tls",
    }
}
