//! The targets as a table: one row each, with the figure furthest from it.

use super::{finish, plain_table, with_spread};
use crate::{
    bench::{
        report::BenchReport,
        targets::{Member, Reached, Target},
    },
    report::words::wrapped,
};

/// The table; `None` if only one data plane was measured.
pub(super) fn render(report: &BenchReport, width: usize) -> String {
    if report.targets.is_empty() {
        return String::new();
    }
    let mut table = plain_table(width);
    table.set_header(["native / Envoy", "furthest", "w", "figures", "ratio", "target", "stretch", ""]);
    for target in &report.targets {
        table.add_row(row(target));
    }
    let count = |reached| report.targets.iter().filter(|target| target.reached == reached).count();
    let counts = format!(
        "{} targets: {} stretch, {} reached, {} not; w: workers of each sidecar, as many as suit Envoy",
        report.targets.len(),
        count(Reached::Stretch),
        count(Reached::Target),
        count(Reached::Not)
    );
    format!("{}\n{}\n\n", finish(&mut table, &[3, 4, 5, 6]), wrapped(&counts, width, 0))
}

fn row(target: &Target) -> Vec<String> {
    let mut row = vec![target.name.clone()];
    match target.members.first() {
        Some(member) => row.extend(figures(member)),
        None => row.extend(vec![String::new(); 4]),
    }
    row.extend([format!("{:.2}", target.target), format!("{:.2}", target.stretch), target.reached.as_str().to_owned()]);
    row
}

fn figures(member: &Member) -> [String; 4] {
    let decimals = member.figure.decimals(member.measure);
    [
        member.label(),
        member.concurrency.to_string(),
        format!("{:.decimals$}/{:.decimals$} {}", member.native, member.envoy, member.unit),
        with_spread(&member.ratio, 2),
    ]
}
