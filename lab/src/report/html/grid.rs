//! Calls that vary in two dimensions, as a grid: each cell has its calls with their outcomes.

use maud::{Markup, html};
use mesh::account::{LayerKind, LegNumber};

use super::{Call, call::shown, layers, mark, picture::words};
use crate::run_report::ProbeReport;

/// The grid, if the scenario's calls have cells.
pub(super) fn render(calls: &[Call<'_>]) -> Option<Markup> {
    let (grid, _) = calls.first()?.meshes.first()?.cell.as_ref()?;
    let (rows, columns) = (distinct(calls, |(row, _)| row), distinct(calls, |(_, column)| column));
    Some(html! {
        div .scroll {
            table .grid {
                thead {
                    tr {
                        th scope="col" { span .soft { (grid.rows) " ↓ " (grid.columns) " →" } }
                        @for column in &columns { th scope="col" { (column) } }
                    }
                }
                tbody {
                    @for row in &rows {
                        tr {
                            th scope="row" { (row) }
                            @for column in &columns {
                                td {
                                    @for call in calls.iter().filter(|call| place(call) == Some((*row, *column))) {
                                        (entry(call))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

/// A call's row and column.
fn place<'a>(call: &Call<'a>) -> Option<(&'a str, &'a str)> {
    let (_, cell) = call.meshes.first()?.cell.as_ref()?;
    Some((&cell.0, &cell.1))
}

fn distinct<'a>(calls: &[Call<'a>], of: impl Fn((&'a str, &'a str)) -> &'a str) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in calls.iter().filter_map(place).map(of) {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

/// A call in its cell: what leg 2 carried, or why it was refused; once if it is the same in both meshes.
fn entry(call: &Call<'_>) -> Markup {
    let ends: Vec<_> = call.meshes.iter().map(|probe| (probe.mesh, end(probe))).collect();
    let alike = ends.windows(2).all(|pair| pair[0].1 == pair[1].1);
    // The calls of a cell differ at the end of their names.
    let name = call.name.rsplit(", ").next().unwrap_or(call.name);
    html! {
        div .entry {
            @if !call.agrees() { (mark(false)) " " }
            a href={ "#" (call.id()) } { (name) }
            div {
                @for (mesh, end) in ends.iter().take(if alike { 1 } else { ends.len() }) {
                    span .entryend {
                        @if !alike { span .meshname { (mesh) } }
                        @match end {
                            Ok(carried) => (layers::nest(carried, &[])),
                            Err(reason) => span .bad { "✗ " (reason) },
                        }
                    }
                }
            }
        }
    }
}

/// What leg 2 carried, or why the call was refused.
fn end(probe: &ProbeReport) -> Result<Vec<LayerKind>, String> {
    let Some(account) = shown(probe) else { return Err("not seen".into()) };
    if !account.outcome.delivered {
        return Err(account.outcome.reason.map_or_else(|| "not served".into(), words));
    }
    Ok(account.leg(LegNumber::BetweenPods).map(|leg| leg.layers.clone()).unwrap_or_default())
}
