//! A comparison as text of at most 100 columns: what was not alike, what changed, what did not.

use std::{collections::BTreeMap, fmt::Write};

use super::{Change, Compared, Comparison, Only};
use crate::bench::{
    conditions,
    measure::Measure,
    setup::Setup,
    stats::Estimate,
    table::{finish, plain_table},
};

/// Draws a comparison of two files.
pub fn render(comparison: &Comparison, files: [&str; 2]) -> String {
    let mut text = String::new();
    for (i, letter) in ["A", "B"].into_iter().enumerate() {
        let started = comparison.started[i].strftime("%Y-%m-%d %H:%M UTC");
        let _ = writeln!(text, "{letter}: {}, of {started}, sidelab {}", files[i], comparison.versions[i]);
    }
    for condition in &comparison.conditions {
        let [first, second] = condition.values.each_ref().map(conditions::told);
        let _ = writeln!(text, "not alike: {}: {first} in A, {second} in B", condition.name);
    }
    let machine: Vec<&Compared> = comparison.changed_without_sidecars().collect();
    if !machine.is_empty() {
        let _ = writeln!(
            text,
            "{} of what changed has no sidecar in it: the machine or the apps were not alike either",
            counted(machine.len(), "figure")
        );
    }
    text.push('\n');
    text.push_str(&changes(comparison));
    text.push_str(&rest(comparison));
    for (letter, only) in [("A", &comparison.only_first), ("B", &comparison.only_second)] {
        for (setup, measures) in grouped(only) {
            let _ = writeln!(text, "only in {letter}, {setup}: {measures}");
        }
    }
    text
}

/// What changed, a table for each measure under each setup.
fn changes(comparison: &Comparison) -> String {
    let changed: Vec<&Compared> = comparison.changed().collect();
    let mut text = String::new();
    for group in changed.chunk_by(|one, other| (one.measure, one.setup) == (other.measure, other.setup)) {
        let Some(Compared { measure, setup, .. }) = group.first() else { continue };
        let mut table = plain_table();
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
        change.told().to_owned(),
    ]
}

/// How many of each measure changed, and of all.
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
    let told = |measures: BTreeMap<Measure, Vec<&str>>| {
        let told: Vec<String> =
            measures.into_iter().map(|(measure, layerings)| format!("{measure} of {}", layerings.join(", "))).collect();
        told.join("; ")
    };
    by_setup.into_iter().map(|(setup, measures)| (setup, told(measures))).collect()
}

/// `1 figure`, `2 figures`.
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
