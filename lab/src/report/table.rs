//! A run as a table, in 80 columns or the terminal's width.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use mesh::{
    account::{Account, LegNumber},
    model::ControlPlane,
};

use super::words::{counted, wrapped};
use crate::{
    api_server::ApiServer,
    data_plane::DataPlane,
    observe_call::Seen,
    run_report::{ProbeReport, RunReport, claims_of},
    summary,
    terminal::NARROWEST,
};

mod grid;
#[cfg(test)]
mod tests;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();

/// Widths of the columns: mark, probe, mesh, legs 1 to 3, what the app sees. With a space between them, [`NARROWEST`].
const WIDTHS: [usize; 7] = [1, 20, 8, 8, 13, 8, 16];

/// The columns that get the extra width of a wider terminal, in this order.
const WIDENED: [usize; 5] = [1, 6, 4, 3, 5];

/// The run in lines of `width` columns, with colours, which printing removes where they don't belong.
pub fn render(report: &RunReport, width: usize) -> String {
    let mut text = String::new();
    let mut scenario = "";
    for group in report.probes.chunk_by(|one, other| one.scenario == other.scenario) {
        let Some(first) = group.first() else { continue };
        if first.scenario != scenario {
            scenario = &first.scenario;
            let claims = claims_of(group).join(" ");
            let head = scenario.chars().count() + first.title.chars().count() + claims.len();
            let between = if head + ":  []".len() > width { "\n  " } else { " " };
            let claims = if claims.is_empty() { claims } else { format!("{between}[{claims}]") };
            let _ = writeln!(text, "{STRONG}{scenario}{STRONG:#}: {}{claims}", first.title);
        }
        let _ =
            writeln!(text, "{}\n", if first.cell.is_some() { grid::draw(group, width) } else { rows(group, width) });
    }
    text.push_str(&summary(report, width));
    text
}

fn rows(probes: &[ProbeReport], width: usize) -> String {
    let mut rows: Vec<[String; WIDTHS.len()]> = Vec::new();
    for meshes in probes.chunk_by(|one, other| one.probe == other.probe) {
        let cells: Vec<[String; 5]> = meshes.iter().map(row_of).collect();
        let alike = cells.windows(2).all(|pair| pair[0] == pair[1]);
        for (probe, [mark, leg1, leg2, leg3, sees]) in meshes.iter().zip(cells) {
            let mesh = if alike && meshes.len() > 1 { "both".into() } else { probe.mesh.to_string() };
            rows.push([mark, probe.probe.clone(), mesh, leg1, leg2, leg3, sees]);
            if alike {
                break;
            }
        }
    }
    let widths = widths(&rows, width);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "PROBE", "MESH", "LEG 1", "LEG 2", "LEG 3", "APP SEES"]);
    for (i, (column, width)) in table.column_iter_mut().zip(widths).enumerate() {
        let gap = u16::from(i + 1 != widths.len());
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX) + gap)));
        column.set_padding((0, gap));
    }
    for mut row in rows {
        for i in [1, 6] {
            row[i] = broken(&row[i], widths[i]);
        }
        table.add_row(row.map(Cell::new));
    }
    let mut text = String::new();
    let lines = table.to_string();
    for line in lines.lines() {
        let _ = writeln!(text, "{}", coloured(line.trim_end()));
    }
    text.push_str(&loads(probes, width));
    text.push_str(&disagreements(probes));
    text.trim_end().to_owned()
}

/// The widths of these rows' columns in lines of `width` columns: the excess over 80 goes to columns whose text is longer
/// than they are wide.
fn widths(rows: &[[String; WIDTHS.len()]], width: usize) -> [usize; WIDTHS.len()] {
    let mut widths = WIDTHS;
    let mut more = width.saturating_sub(NARROWEST);
    for i in WIDENED {
        let longest = rows.iter().map(|row| row[i].chars().count()).max().unwrap_or_default();
        let taken = longest.saturating_sub(widths[i]).min(more);
        widths[i] += taken;
        more -= taken;
    }
    widths
}

/// The cells of a call: mark, legs, what the app sees.
fn row_of(probe: &ProbeReport) -> [String; 5] {
    let account = shown(probe);
    let leg = |number| account.map_or_else(|| "?".into(), |account| layers(account, number));
    let sees = account.map_or_else(|| "?".into(), |account| summary::app_sees(&account.outcome));
    let [leg1, leg2, leg4, leg3] = LegNumber::ALL.map(leg);
    let has_gateway = account.is_some_and(|account| account.leg(LegNumber::FromGateway).is_some());
    let leg2 = if has_gateway { format!("{leg2} then {leg4}") } else { leg2 };
    [mark(probe), leg1, leg2, leg3, sees]
}

/// Text in lines of a width, broken at spaces, and after the hyphens and underscores of long words.
fn broken(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        for (i, part) in word.split_inclusive(['-', '_']).enumerate() {
            let line = lines.last_mut().filter(|line| !line.is_empty());
            let blank = if i == 0 { " " } else { "" };
            match line {
                Some(line) if line.chars().count() + blank.len() + part.chars().count() <= width => {
                    line.push_str(blank);
                    line.push_str(part);
                }
                Some(_) => lines.push(part.into()),
                None => lines = vec![part.into()],
            }
        }
    }
    lines.join("\n")
}

/// `claims: C1 ✓, C2 ✓`, in lines of `width` columns.
fn listed(head: &str, items: &[String], columns: usize) -> String {
    let mut lines = vec![head.to_owned()];
    for (i, item) in items.iter().enumerate() {
        let comma = if i + 1 < items.len() { "," } else { "" };
        let width = 1 + item.chars().count() + comma.len();
        if lines.last().is_some_and(|line| line.chars().count() + width > columns) {
            lines.push(" ".repeat(head.len()));
        }
        if let Some(line) = lines.last_mut() {
            let _ = write!(line, " {item}{comma}");
        }
    }
    lines.join("\n")
}

/// What loads did before and during each call, in one mesh on one data plane: their numbers are different in each.
fn loads(probes: &[ProbeReport], width: usize) -> String {
    let mut text = String::new();
    for meshes in probes.chunk_by(|one, other| one.probe == other.probe) {
        let Some(last) = meshes.last() else { continue };
        let Some((plane, seen)) = seen(last).filter(|(_, seen)| !seen.evidence.loads.is_empty()) else { continue };
        let head = format!("{} ({}, {plane}):", last.probe, last.mesh);
        let _ = writeln!(text, "{}", wrapped(&head, width, 0));
        for load in &seen.evidence.loads {
            let line = format!("{}: {load}", load.name);
            let _ = writeln!(text, "  {}", wrapped(&line, width, 2));
        }
    }
    text
}

/// The differences in the calls whose accounts disagree.
fn disagreements(probes: &[ProbeReport]) -> String {
    let mut text = String::new();
    for probe in probes.iter().filter(|probe| !probe.verdict.agrees) {
        for disagreement in &probe.verdict.disagreements {
            let _ = writeln!(text, "{BAD}✗ {} ({}){BAD:#}", probe.probe, probe.mesh);
            for line in disagreement.to_string().lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// The account that a row shows: the native data plane's, else another's, else the prediction.
fn shown(probe: &ProbeReport) -> Option<&Account> {
    seen(probe).map(|(_, seen)| &seen.account).or(probe.predicted.as_ref())
}

/// What was seen with the native data plane, else with another.
fn seen(probe: &ProbeReport) -> Option<(&DataPlane, &Seen)> {
    probe.seen.get_key_value(&DataPlane::Native).or_else(|| probe.seen.iter().next())
}

fn mark(probe: &ProbeReport) -> String {
    if probe.verdict.agrees { "✓".into() } else { "✗".into() }
}

/// Colours a row's mark, after the layout, so that no colour counts as width.
fn coloured(line: &str) -> String {
    match line.chars().next() {
        Some('✓') => line.replacen('✓', &format!("{GOOD}✓{GOOD:#}"), 1),
        Some('✗') => line.replacen('✗', &format!("{BAD}✗{BAD:#}"), 1),
        _ => line.to_owned(),
    }
}

fn layers(account: &Account, number: LegNumber) -> String {
    let Some(leg) = account.leg(number) else { return "-".into() };
    if leg.layers.is_empty() {
        return "nothing".into();
    }
    leg.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn summary(report: &RunReport, width: usize) -> String {
    let mut text = String::new();
    let right = report.probes.iter().filter(|probe| probe.verdict.agrees).count();
    let all = report.probes.len();
    let planes: Vec<String> = report.planes().iter().map(ToString::to_string).collect();
    let by = match report.control_plane {
        ControlPlane::Compiler => "",
        ControlPlane::Istiod => "; the sidecars' files by istiod",
        ControlPlane::Dumps => "; the sidecars' files by dumps",
    };
    let calls = match report.api_server {
        ApiServer::Demo => "",
        ApiServer::Real => "; webhooks called by kube-apiserver",
    };
    let unexpected = report.probes.iter().filter(|probe| probe.expected.is_empty()).count();
    let (expected, without) = match unexpected {
        0 => ("expected, ", String::new()),
        _ if unexpected == all => ("", "; no call has an expectation".into()),
        _ => ("expected, ", format!("; {} without an expectation", counted(unexpected, "call"))),
    };
    let judges = format!("{expected}predicted, {}{by}{calls}{without}", planes.join(", "));
    let style = if report.agrees { GOOD } else { BAD };
    let _ = writeln!(text, "{style}{right} of {all} calls agree{style:#} (accounts: {judges})");
    if !report.not_run.is_empty() {
        let _ = writeln!(text, "{} not started, because a call failed", counted(report.not_run.len(), "lab"));
    }
    let held = report.claims();
    let covered: Vec<String> = claims_of(&report.probes)
        .into_iter()
        .filter_map(|claim| Some((claim, held.get(claim)?)))
        .map(|(claim, meshes)| {
            let mark = if meshes.values().all(|held| *held) { "✓" } else { "✗" };
            let partial = if meshes.len() == 2 { "" } else { " (one mesh)" };
            format!("{claim} {mark}{partial}")
        })
        .collect();
    if !covered.is_empty() {
        let _ = writeln!(text, "{}", listed("claims:", &covered, width));
    }
    for (plane, figures) in &report.labs {
        let slowest = figures.ready_seconds.iter().copied().fold(0.0, f64::max);
        let largest = figures.resident_bytes.iter().copied().max().unwrap_or_default();
        let labs = counted(figures.ready_seconds.len(), "lab");
        let each = if figures.ready_seconds.len() == 1 { "" } else { "each " };
        let mib = largest as f64 / f64::from(1 << 20);
        let _ = writeln!(text, "{plane}: {labs}, {each}ready within {slowest:.2} s; a sidecar at rest {mib:.1} MiB");
    }
    let _ = writeln!(text, "{:.1} s", report.seconds);
    text
}
