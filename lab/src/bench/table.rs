//! A bench as text, in 100 columns or the terminal's width: conditions, measures and conclusions.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::{
    answers::{self, Answer},
    conditions,
    figures::Figure,
    measure::{Group, Measure},
    report::BenchReport,
    rtt,
    setup::Setup,
    stats::Estimate,
};
use crate::report::words;

mod model;
mod targets;
#[cfg(test)]
mod tests;

/// The placeholder for a missing value.
const NOTHING: &str = "-";

/// The default width in columns.
pub const WIDTH: usize = 100;

/// Draws a bench in lines of `width` columns. A wider table wraps within its columns.
pub fn render(report: &BenchReport, width: usize) -> String {
    let wrapped = |line: &str| words::wrapped(line, width, 0) + "\n";
    let settings = conditions::settings(&report.settings).join(", ");
    let mut text = format!("{}{}", wrapped(&conditions::machine(report)), wrapped(&settings));
    for warning in &report.warnings {
        text.push_str(&wrapped(&format!("warning: {warning}")));
    }
    text.push_str(&rtt::summary(&report.rtts));
    text.push('\n');
    for measure in Measure::ALL {
        for setup in report.measured().setups() {
            text.push_str(&section(report, measure, setup, width));
        }
    }
    text.push_str(&model::render(report, width));
    text.push_str(&targets::render(report, width));
    for refuted in &report.refuted {
        let seen = refuted.seen.join("; ");
        text.push_str(&wrapped(&format!("{} ({}) was not measured: {seen}", refuted.name, refuted.data_plane)));
    }
    for failed in &report.failed {
        let what = format!("{} of {} ({})", failed.measure, failed.layering, failed.setup);
        text.push_str(&wrapped(&format!("{what} ended early: {}", failed.why)));
    }
    let fewest = report.answers.iter().map(|answer| answer.setup.concurrency).min();
    let shown = report.answers.iter().filter(|answer| Some(answer.setup.concurrency) == fewest);
    let shown: Vec<Answer> = shown.cloned().collect();
    for answer in &shown {
        text.push_str(&wrapped(&format!("{} ({}): {}", answer.claim, answer.setup, answer.words)));
    }
    for line in answers::twice(&shown) {
        text.push_str(&wrapped(&line));
    }
    text
}

/// One measure under one setup.
fn section(report: &BenchReport, measure: Measure, setup: Setup, width: usize) -> String {
    let figures: Vec<Figure> = measure.figures().iter().copied().filter(|figure| *figure != Figure::P90).collect();
    let mut table = plain_table(width);
    table.set_header([String::new()].into_iter().chain(figures.iter().map(|figure| title(*figure, measure))));
    let mut measured = false;
    for layering in &report.layerings {
        let cells = figures.iter().map(|figure| {
            let values = report.measured().values(&layering.name, setup, measure, *figure)?;
            let estimate = Estimate::from_medians(&[&values], |medians| medians[0])?;
            Some(match figure {
                // These are counts, which do not vary.
                Figure::Packets | Figure::Bytes => format!("{:.*}", figure.decimals(measure), estimate.value),
                _ => with_spread(&estimate, figure.decimals(measure)),
            })
        });
        let cells: Vec<Option<String>> = cells.collect();
        measured |= cells.iter().any(Option::is_some);
        let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| NOTHING.into()));
        table.add_row([layering.name.clone()].into_iter().chain(cells));
    }
    if !measured {
        return String::new();
    }
    format!("{measure}, {setup}\n{}\n\n", finish(&mut table, &(1..=figures.len()).collect::<Vec<_>>()))
}

/// A column's head: the figure over its unit.
fn title(figure: Figure, measure: Measure) -> String {
    let unit = figure.unit(measure);
    match (figure, measure.group()) {
        (Figure::P50 | Figure::P90 | Figure::P99 | Figure::Rate, _) => format!("{}\n{unit}", figure.name(measure)),
        (Figure::Cost, Group::Memory) => format!("memory\n{unit}"),
        (Figure::Cost, _) => format!("CPU\n{unit}"),
        (Figure::Sidecars, _) => format!("sidecars\n{unit}"),
        (Figure::AtRest, _) => format!("at rest\n{unit}"),
        (Figure::Packets | Figure::Bytes, _) => format!("wire\n{unit}"),
    }
}

/// A table without lines, at most `width` columns wide.
pub(super) fn plain_table(width: usize) -> Table {
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table
}

/// The text of a table, with these columns to the right.
pub(super) fn finish(table: &mut Table, numbers: &[usize]) -> String {
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i == 0 {
            // Names do not wrap.
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if numbers.contains(&i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// `12 ±1`: a figure, and half of its interval; `12 ±?` if it was measured once.
fn with_spread(estimate: &Estimate, decimals: usize) -> String {
    if estimate.is_from_one_round() {
        return format!("{:.decimals$} ±?", estimate.value);
    }
    format!("{:.decimals$} ±{:.decimals$}", estimate.value, (estimate.high - estimate.low) / 2.0)
}
