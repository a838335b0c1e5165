//! What the figures say of the claims: is it twice?

use serde::{Deserialize, Serialize};

use super::{measure::Measure, report::BenchReport, sample::Sample, setup::Setup, stats::Estimate};

#[cfg(test)]
mod tests;

/// What a bench says of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Such as `C10`.
    pub claim: String,
    /// Under what; in JSON its fields are the answer's.
    #[serde(flatten)]
    pub setup: Setup,
    /// Double encryption by mutual TLS alone, of the whole.
    pub whole: Estimate,
    /// The same of what TLS adds to calls through two sidecars without it.
    pub tls: Option<Estimate>,
    /// In words.
    pub words: String,
}

/// The parts that a layering's figure is made of: each the difference of two layerings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What it is of.
    pub name: String,
    /// How much.
    pub cost: Estimate,
}

/// The answers to C10, C11 and C12, as far as what they need was measured.
pub fn all(report: &BenchReport, setup: Setup) -> Vec<Answer> {
    [
        ("C10", Measure::Connect, "a new connection's first byte", Sample::p50 as fn(&Sample) -> f64),
        ("C11", Measure::Down, "CPU for each GiB", Sample::total),
        ("C12", Measure::Idle, "memory of an idle connection", Sample::total),
    ]
    .into_iter()
    .filter_map(|(claim, measure, what, figure)| answer(report, setup, claim, measure, what, figure))
    .collect()
}

/// What each part costs: of two sidecars on the way, of TLS between them, of the apps' own, of a second layer; and what
/// the parts don't explain of the whole.
pub fn parts(report: &BenchReport, setup: Setup, measure: Measure, figure: impl Fn(&Sample) -> f64) -> Vec<Part> {
    let names = ["direct", "app-tls", "redirect", "mesh", "double"];
    let Some(series) = series(report, setup, measure, &names, figure) else { return Vec::new() };
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let of =
        |name: &str, cost: fn(&[f64]) -> f64| Some(Part { name: name.to_owned(), cost: Estimate::of(&series, cost)? });
    [
        of("the apps alone", |m| m[0]),
        of("two sidecars and the redirects", |m| m[2] - m[0]),
        of("TLS between the sidecars", |m| m[3] - m[2]),
        of("TLS between the apps", |m| m[1] - m[0]),
        of("a second layer", |m| m[4] - m[3]),
        of("not explained", |m| m[4] - m[3] - (m[1] - m[0])),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn answer(
    report: &BenchReport,
    setup: Setup,
    claim: &str,
    measure: Measure,
    what: &str,
    figure: fn(&Sample) -> f64,
) -> Option<Answer> {
    let ratio = |names: &[&str], figures: fn(&[f64]) -> f64| {
        let series = series(report, setup, measure, names, figure)?;
        Estimate::of(&series.iter().map(Vec::as_slice).collect::<Vec<_>>(), figures)
    };
    let whole = ratio(&["mesh", "double"], |m| m[1] / m[0])?;
    let tls = ratio(&["redirect", "mesh", "double"], |m| (m[2] - m[0]) / (m[1] - m[0]));
    let verdict = |estimate: &Estimate| match estimate {
        twice if twice.holds(2.0) => "twice, within what was measured",
        less if less.high < 2.0 => "less than twice",
        _ => "more than twice",
    };
    let times = |estimate: &Estimate| format!("x{:.2} [{:.2}-{:.2}]", estimate.value, estimate.low, estimate.high);
    let mut words = format!("double encryption makes {what} {} here: {}", times(&whole), verdict(&whole));
    if let Some(tls) = &tls {
        words.push_str(&format!("; of what TLS adds, {}: {}", times(tls), verdict(tls)));
    }
    Some(Answer { claim: claim.to_owned(), setup, whole, tls, words })
}

/// A figure of some layerings, round by round; nothing where one of them was not measured.
fn series(
    report: &BenchReport,
    setup: Setup,
    measure: Measure,
    names: &[&str],
    figure: impl Fn(&Sample) -> f64,
) -> Option<Vec<Vec<f64>>> {
    let samples = report.samples(measure);
    names.iter().map(|name| Some(samples.get(&(*name, setup))?.iter().map(&figure).collect())).collect()
}
