//! A comparison as text, in 100 columns or the terminal's width: differing conditions, changes, and unchanged figures.

use std::{collections::BTreeMap, fmt::Write};

use super::{Change, Compared, Comparison, Only};
use crate::{
    bench::{
        conditions,
        measure::Measure,
        setup::Setup,
        stats::Estimate,
        table::{finish, plain_table},
    },
    report::words::{counted, wrapped},
};

/// Draws a comparison of two files in lines of `width` columns.
pub fn render(comparison: &Comparison, files: [&str; 2], width: usize) -> String {
    let mut text = String::new();
    let line = |line: String| wrapped(&line, width, 0) + "\n";
    for (i, letter) in ["A", "B"].into_iter().enumerate() {
        let started = comparison.started[i].strftime("%Y-%m-%d %H:%M UTC");
        text += &line(format!("{letter}: {}, of {started}, sidelab {}", files[i], comparison.versions[i]));
    }
    for condition in &comparison.conditions {
        let [first, second] = condition.values.each_ref().map(conditions::value_text);
        text += &line(format!("not alike: {}: {first} in A, {second} in B", condition.name));
    }
    let machine: Vec<&Compared> = comparison.changed_without_sidecars().collect();
    if !machine.is_empty() {
        text += &line(format!(
            "{} of what changed has no sidecar in it: the machine or the apps were not alike either",
            counted(machine.len(), "figure")
        ));
    }
    text.push('\n');
    text.push_str(&changes(comparison, width));
    text.extend(rest(comparison).lines().map(|rest| line(rest.to_owned())));
    for (letter, only) in [("A", &comparison.only_first), ("B", &comparison.only_second)] {
        for (setup, measures) in grouped(only) {
            text += &line(format!("only in {letter}, {setup}: {measures}"));
        }
    }
    text
}

/// The changes, a table for each measure under each setup.
fn changes(comparison: &Comparison, width: usize) -> String {
    let changed: Vec<&Compared> = comparison.changed().collect();
    let mut text = String::new();
    for group in changed.chunk_by(|one, other| (one.measure, one.setup) == (other.measure, other.setup)) {
        let Some(Compared { measure, setup, .. }) = group.first() else { continue };
        let mut table = plain_table(width);
        table.set_header(["", "", "A", "B", "", "B / A [99 %]", "", ""]);
        for compared in group {
            table.add_row(row(compared));
        }
        let _ = writeln!(text, "{measure}, {setup}\n{}\n", finish(&mut table, &[2, 3, 6]));
    }
    text
}

fn row(compared: &Compared) -> [String; 8] {
    let Compared { layering, measure, figure, unit, values: [first, second], ratio, change, .. } = compared;
    let decimals = figure.decimals(*measure);
    let Estimate { value, low, high } = ratio;
    [
        layering.clone(),
        figure.name(*measure).to_owned(),
        format!("{first:.decimals$}"),
        format!("{second:.decimals$}"),
        unit.clone(),
        format!("{value:.2} [{low:.2}-{high:.2}]"),
        format!("{:+.0} %", (value - 1.0) * 100.0),
        change.as_str().to_owned(),
    ]
}

/// The numbers of changed figures, per measure and in total.
fn rest(comparison: &Comparison) -> String {
    let mut counts: BTreeMap<(Measure, Setup), (usize, usize)> = BTreeMap::new();
    for compared in &comparison.figures {
        let (changed, all) = counts.entry((compared.measure, compared.setup)).or_default();
        *all += 1;
        *changed += usize::from(compared.change != Change::Same);
    }
    let mut text = String::new();
    for ((measure, setup), (changed, all)) in counts {
        let _ = writeln!(text, "{measure}, {setup}: {changed} of {} changed", counted(all, "figure"));
    }
    let count = |change| comparison.figures.iter().filter(|compared| compared.change == change).count();
    let _ = writeln!(
        text,
        "{} in both: {} better, {} worse, {} not changed beyond noise",
        counted(comparison.figures.len(), "figure"),
        count(Change::Better),
        count(Change::Worse),
        count(Change::Same)
    );
    text
}

/// Series by setup: `connect of mesh, double`.
fn grouped(only: &[Only]) -> BTreeMap<Setup, String> {
    let mut by_setup: BTreeMap<Setup, BTreeMap<Measure, Vec<&str>>> = BTreeMap::new();
    for Only { layering, setup, measure } in only {
        by_setup.entry(*setup).or_default().entry(*measure).or_default().push(layering);
    }
    let describe = |measures: BTreeMap<Measure, Vec<&str>>| {
        let lines: Vec<String> =
            measures.into_iter().map(|(measure, layerings)| format!("{measure} of {}", layerings.join(", "))).collect();
        lines.join("; ")
    };
    by_setup.into_iter().map(|(setup, measures)| (setup, describe(measures))).collect()
}
