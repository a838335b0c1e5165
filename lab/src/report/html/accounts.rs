//! Expected, predicted and seen side by side, field by field. Equal neighbours share a cell, so that a difference is a
//! visible border.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::{
    facts::{self, Facts, Field, LegField, Value},
    run_report::ProbeReport,
    verdict::Judge,
};

/// One row of values side by side.
pub(super) struct Row {
    pub(super) group: String,
    pub(super) name: String,
    /// By column; `None` if the column has no value.
    pub(super) values: Vec<Option<String>>,
    /// The columns that are wrong.
    pub(super) wrong: BTreeSet<usize>,
}

/// The accounts of a call in one mesh.
pub(super) fn table(probe: &ProbeReport) -> Markup {
    let predicted = probe.predicted.iter().map(|account| (Judge::Predicted, facts::of_account(account)));
    let seen = probe.seen.iter().map(|(plane, seen)| (Judge::Seen(*plane), facts::of_account(&seen.account)));
    let expected = (Judge::Expected, facts::of_expectation(&probe.expected));
    let columns: Vec<(Judge, Facts)> = [expected].into_iter().chain(predicted).chain(seen).collect();
    let heads: Vec<String> = columns.iter().map(|(judge, _)| judge.to_string()).collect();
    let fields: BTreeSet<Field> = columns.iter().flat_map(|(_, facts)| facts.keys().copied()).collect();
    let rows: Vec<Row> = fields.into_iter().map(|field| row(field, &columns, probe)).collect();
    beside(&heads, &rows, Some("any"))
}

fn row(field: Field, columns: &[(Judge, Facts)], probe: &ProbeReport) -> Row {
    let disagreements = || probe.verdict.disagreements.iter();
    let is_wrong = |judge| {
        disagreements().any(|one| one.account == judge && one.differences.iter().any(|other| other.field == field))
    };
    Row {
        group: field.group(),
        name: field.name(),
        values: columns.iter().map(|(_, facts)| Some(text(field, facts.get(&field)?))).collect(),
        wrong: (0..columns.len()).filter(|column| is_wrong(columns[*column].0)).collect(),
    }
}

/// A value for people: nested layers.
fn text(field: Field, value: &Value) -> String {
    match value {
        Value::Flag(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::One(value) => value.clone(),
        Value::Many(values) if values.is_empty() => "nothing".into(),
        Value::Many(values) => {
            values.join(if matches!(field, Field::Leg(_, LegField::Layers)) { " › " } else { ", " })
        }
    }
}

/// A table of columns side by side. `unsaid` is the placeholder of the first column; elsewhere it is a dash.
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

/// A row's cells: equal neighbours are merged.
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
