//! The cost model as a table: one row per part, one column per figure.

use super::{NOTHING, finish, plain_table, with_spread};
use crate::bench::{
    parts::{PartName, Parts},
    report::BenchReport,
};

/// The parts, in display order.
const SHOWN: [PartName; 6] = [
    PartName::Apps,
    PartName::TwoProxies,
    PartName::OneProxy,
    PartName::MeshTls,
    PartName::AppTls,
    PartName::SecondLayer,
];

/// A table for each setup.
pub(super) fn render(report: &BenchReport, width: usize) -> String {
    let beside = report.parts.chunk_by(|one, other| one.setup == other.setup);
    beside.map(|figures| table(figures, width)).collect()
}

fn table(figures: &[Parts], width: usize) -> String {
    let mut table = plain_table(width);
    let title = |parts: &Parts| format!("{}\n{} {}", parts.object(), parts.figure.name(parts.measure), parts.unit);
    let titles = figures.iter().map(title);
    table.set_header([String::new()].into_iter().chain(titles));
    let mut row = |name: &str, cost: &dyn Fn(&Parts) -> Option<String>| {
        let cells = figures.iter().map(|parts| cost(parts).unwrap_or_else(|| NOTHING.into()));
        table.add_row([name.to_owned()].into_iter().chain(cells));
    };
    let decimals = |parts: &Parts| parts.figure.decimals(parts.measure);
    for name in SHOWN {
        row(name.label(), &|parts| {
            let part = parts.parts.iter().find(|part| part.name == name)?;
            Some(with_spread(&part.cost, decimals(parts)))
        });
    }
    row("not explained", &|parts| Some(with_spread(&parts.residual, decimals(parts))));
    row("double, whole", &|parts| Some(with_spread(&parts.whole, decimals(parts))));
    let setup = figures.first().map(|parts| parts.setup.to_string()).unwrap_or_default();
    format!("what each part costs, {setup}\n{}\n\n", finish(&mut table, &(1..=figures.len()).collect::<Vec<_>>()))
}
