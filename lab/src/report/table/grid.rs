//! Calls that vary in two dimensions, as a grid: a cell shows the outcome of all its calls.

use std::fmt::Write;

use mesh::{
    account::{Account, LayerKind, LegNumber, Reason},
    model::Flavor,
};

use super::{BAD, GOOD, disagreements, shown};
use crate::run_report::ProbeReport;

/// Width of the column that names the mesh, where a row has two lines.
const MESH: usize = 6;

/// The maximum width of a cell.
const WIDEST: usize = 24;

const LEGEND: &str = "  ✗ chain: no filter chain matched; TLS: handshake failed; codec: not HTTP";

/// The grid, and below it what differs.
pub(super) fn draw(probes: &[ProbeReport], width: usize) -> String {
    let place = |probe: &ProbeReport| probe.cell.as_ref().map(|(_, cell)| cell.clone());
    let rows = distinct(probes.iter().filter_map(|probe| Some(place(probe)?.0)));
    let columns = distinct(probes.iter().filter_map(|probe| Some(place(probe)?.1)));
    let mut text = String::new();
    if let Some((grid, _)) = probes.first().and_then(|probe| probe.cell.as_ref()) {
        let _ = writeln!(text, "  {} down, {} across", grid.rows, grid.columns);
    }
    // The cells share the width that the names leave, as far as they need it.
    let names = rows.iter().map(|row| row.chars().count()).max().unwrap_or_default() + 1;
    let width = (width.saturating_sub(2 + names + MESH) / columns.len().max(1)).min(WIDEST);
    let mut line = |name: &str, mesh: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", format!("  {name:names$}{mesh:MESH$}{cells}").trim_end());
    };
    line("", "", &columns);
    for row in &rows {
        let cells = |mesh| -> Vec<String> { columns.iter().map(|column| cell(probes, mesh, row, column)).collect() };
        let (textbook, istio) = (cells(Flavor::Textbook), cells(Flavor::Istio));
        if textbook == istio || istio.iter().all(String::is_empty) {
            line(row, "", &textbook);
        } else if textbook.iter().all(String::is_empty) {
            line(row, "", &istio);
        } else {
            line(row, "book", &textbook);
            line("", "istio", &istio);
        }
    }
    let agree = probes.iter().filter(|probe| probe.verdict.agrees).count();
    let style = if agree == probes.len() { GOOD } else { BAD };
    let _ = writeln!(text, "{LEGEND}\n  {style}{agree} of {} calls agree{style:#}", probes.len());
    text.push_str(&disagreements(probes));
    text.trim_end().to_owned()
}

/// The outcome of a cell's calls in one mesh.
fn cell(probes: &[ProbeReport], mesh: Flavor, row: &str, column: &str) -> String {
    let here = probes.iter().filter(|probe| {
        probe.mesh == mesh && probe.cell.as_ref().is_some_and(|(_, cell)| cell.0 == row && cell.1 == column)
    });
    let outcomes = distinct(here.map(|probe| shown(probe).map_or("?", outcome).to_owned()));
    let refused: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.strip_prefix("✗ ")).collect();
    let mut texts: Vec<String> = outcomes.iter().filter(|outcome| !outcome.starts_with('✗')).cloned().collect();
    if !refused.is_empty() {
        // A cell with both is full.
        let blank = if texts.is_empty() { " " } else { "" };
        texts.push(format!("✗{blank}{}", refused.join("/")));
    }
    texts.join(" ")
}

/// In a word: by what leg 2 carried when the call was delivered, else why it was refused.
fn outcome(account: &Account) -> &'static str {
    if account.outcome.delivered {
        let leg = account.leg(LegNumber::BetweenPods);
        return match leg.and_then(|leg| leg.layers.first()) {
            Some(LayerKind::Mtls) => "mTLS",
            Some(LayerKind::Tls) => "TLS",
            _ => "plaintext",
        };
    }
    match account.outcome.reason {
        Some(Reason::NoFilterChainMatch) => "✗ chain",
        Some(Reason::TlsHandshakeFailed) => "✗ TLS",
        Some(Reason::ProtocolError) => "✗ codec",
        _ => "✗ other",
    }
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
