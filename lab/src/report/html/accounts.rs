//! Expected beside predicted beside seen, field by field. Neighbours that say the same share a cell, so that a
//! difference is a seam.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::fields::{self, Field};
use crate::verdict::ProbeReport;

/// One row of values that stand beside each other.
pub(super) struct Row {
    pub(super) group: String,
    pub(super) name: String,
    /// By column; nothing where the column does not say.
    pub(super) values: Vec<Option<String>>,
    /// The columns that are wrong.
    pub(super) wrong: BTreeSet<usize>,
}

/// The accounts of a call in one mesh.
pub(super) fn table(probe: &ProbeReport) -> Markup {
    let mut heads = vec!["expected".to_owned()];
    let mut columns = vec![fields::of_expectation(&probe.expected)];
    if let Some(predicted) = &probe.predicted {
        heads.push("predicted".into());
        columns.push(fields::of_account(predicted));
    }
    for (plane, seen) in &probe.seen {
        heads.push(plane.to_string());
        columns.push(fields::of_account(&seen.account));
    }
    let wrong = |row: &mut Row| {
        let qualified = format!("{} {}", row.group, row.name);
        for disagreement in &probe.verdict.disagreements {
            let differs = disagreement.differences.iter().any(|told| told.field == row.name || told.field == qualified);
            if differs {
                row.wrong.extend(heads.iter().position(|head| *head == disagreement.account));
            }
        }
    };
    let mut rows = rows(&columns);
    rows.iter_mut().for_each(wrong);
    beside(&heads, &rows, Some("any"))
}

/// A row for each field that any column has, in the columns' own order.
fn rows(columns: &[Vec<Field>]) -> Vec<Row> {
    let mut keys: Vec<(&str, &str)> = columns.iter().flatten().map(|f| (f.group.as_str(), f.name.as_str())).collect();
    let mut groups: Vec<&str> = keys.iter().map(|(group, _)| *group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut known = BTreeSet::new();
    keys.retain(|key| known.insert(*key));
    keys.sort_by_key(|(group, _)| groups.iter().position(|known| known == group));
    let value = |column: &Vec<Field>, (group, name): (&str, &str)| {
        column.iter().find(|field| field.group == group && field.name == name).map(|field| field.value.clone())
    };
    keys.into_iter()
        .map(|key| Row {
            group: key.0.into(),
            name: key.1.into(),
            values: columns.iter().map(|column| value(column, key)).collect(),
            wrong: BTreeSet::new(),
        })
        .collect()
}

/// A table of columns beside each other. `unsaid` stands in the first column where it says nothing; elsewhere that is
/// a dash.
pub(super) fn beside(heads: &[String], rows: &[Row], unsaid: Option<&str>) -> Markup {
    html! {
        div .scroll {
            table .beside {
                thead {
                    tr {
                        th scope="col" { span .sr { "field" } }
                        @for head in heads { th scope="col" { (head) } }
                    }
                }
                @for group in rows.chunk_by(|one, other| one.group == other.group) {
                    tbody {
                        @if let Some(first) = group.first().filter(|first| !first.group.is_empty()) {
                            tr .group { th colspan=(heads.len() + 1) scope="rowgroup" { (first.group) } }
                        }
                        @for row in group { (line(row, unsaid)) }
                    }
                }
            }
        }
    }
}

fn line(row: &Row, unsaid: Option<&str>) -> Markup {
    html! {
        tr {
            th scope="row" { (row.name) }
            @for cell in cells(row) {
                td colspan=[(cell.span > 1).then_some(cell.span)] class=[cell.wrong.then_some("differs")] {
                    @match cell.value {
                        Some(value) => {
                            @if cell.wrong { span .sr { "differs: " } span aria-hidden="true" { "≠ " } }
                            (value)
                        }
                        None => i { (if cell.first { unsaid.unwrap_or("–") } else { "–" }) },
                    }
                }
            }
        }
    }
}

struct Cell<'a> {
    value: Option<&'a str>,
    span: usize,
    first: bool,
    wrong: bool,
}

/// A row's cells: neighbours of the same value are one.
fn cells(row: &Row) -> Vec<Cell<'_>> {
    let mut cells: Vec<Cell<'_>> = Vec::new();
    for (column, value) in row.values.iter().enumerate() {
        let wrong = row.wrong.contains(&column);
        match cells.last_mut() {
            Some(last) if last.value == value.as_deref() && last.wrong == wrong && last.value.is_some() => {
                last.span += 1;
            }
            _ => cells.push(Cell { value: value.as_deref(), span: 1, first: column == 0, wrong }),
        }
    }
    cells
}
