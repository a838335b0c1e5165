//! The claims and what was seen of each, in 80 columns or the terminal's width: textbook on the left, istio on the right.

use std::{collections::BTreeMap, fmt::Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use mesh::model::Flavor;
use serde::Serialize;

use super::words;
use crate::{
    claims::Claim,
    last_run::{LastRun, SeenCall},
    summary,
};

#[cfg(test)]
mod tests;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();
const SOFT: Style = Style::new().dimmed();

/// Width of the claim's number.
const NUMBER: usize = 3;

/// The maximum width of a mesh's column.
const WIDEST: usize = 100;

/// How many different outcomes of a claim's calls are listed.
const SHOWN_ENDS: usize = 3;

/// A claim, the scenarios that test it, and what was seen.
#[derive(Serialize)]
pub(crate) struct ListedClaim {
    pub(crate) number: String,
    #[serde(flatten)]
    pub(crate) claim: Claim,
    pub(crate) scenarios: Vec<String>,
    /// By mesh; a mesh in which no call of the run tests the claim is left out.
    pub(crate) seen: BTreeMap<Flavor, SeenOfClaim>,
}

/// What a run saw of a claim in a mesh.
#[derive(Serialize)]
pub(crate) struct SeenOfClaim {
    /// Whether every call went as expected.
    pub(crate) held: bool,
    pub(crate) calls: Vec<CallOfClaim>,
}

/// One call that tests a claim.
#[derive(Serialize)]
pub(crate) struct CallOfClaim {
    pub(crate) scenario: String,
    pub(crate) probe: String,
    pub(crate) agrees: bool,
    /// What the legs carried and how it ended, in a line.
    pub(crate) saw: String,
}

impl SeenOfClaim {
    /// What the run saw in these calls.
    pub(crate) fn from_calls(calls: &[&SeenCall]) -> Self {
        let calls: Vec<CallOfClaim> = calls
            .iter()
            .map(|call| CallOfClaim {
                scenario: call.scenario.clone(),
                probe: call.probe.clone(),
                agrees: call.verdict.agrees,
                saw: saw(call),
            })
            .collect();
        Self { held: calls.iter().all(|call| call.agrees), calls }
    }
}

fn saw(call: &SeenCall) -> String {
    let Some(account) = call.account() else { return "nothing was seen".into() };
    let mut text = summary::line(account);
    for load in call.loads() {
        let _ = write!(text, "; load {}: {load}", load.name);
    }
    text
}

/// The list in lines of `width` columns, with colours, which printing removes where they don't belong.
pub(crate) fn render(claims: &[ListedClaim], run: Option<&LastRun>, width: usize) -> String {
    let mut text = String::new();
    for claim in claims {
        let _ =
            writeln!(text, "{STRONG}{:<3}{STRONG:#} {}", claim.number, words::wrapped(&claim.claim.claim, width, 4));
        for line in beside(claim, width).to_string().lines() {
            let _ = writeln!(text, "{}", coloured(line.trim_end()));
        }
        text.push('\n');
    }
    text.push_str(&tally(claims, run));
    text
}

/// A claim in the two meshes, side by side.
fn beside(claim: &ListedClaim, width: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "TEXTBOOK", "ISTIO"]);
    let statements = [&claim.claim.textbook, &claim.claim.istio];
    table.add_row([String::new(), statements[0].clone(), statements[1].clone()]);
    let column = |mesh| claim.seen.get(&mesh).map_or_else(|| not_seen(claim), lines);
    table.add_row([String::new(), column(Flavor::Textbook), column(Flavor::Istio)].map(Cell::new));
    let both = width - NUMBER - " ".len() - " ".len();
    let widths = [NUMBER, both / 2, both - both / 2].map(|width| u16::try_from(width.min(WIDEST)).unwrap_or(u16::MAX));
    for (i, (column, width)) in table.column_iter_mut().zip(widths).enumerate() {
        let gap = u16::from(i != 2);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
        column.set_padding((0, gap));
    }
    table
}

fn not_seen(claim: &ListedClaim) -> String {
    if claim.scenarios.is_empty() {
        return "· no scenario yet".into();
    }
    format!("· not run: {}", claim.scenarios.join(", "))
}

/// The verdict, the scenarios, and what was seen, the most frequent first.
fn lines(seen: &SeenOfClaim) -> String {
    let mut scenarios: Vec<&str> = seen.calls.iter().map(|call| call.scenario.as_str()).collect();
    scenarios.dedup();
    let bad: Vec<&str> = seen.calls.iter().filter(|call| !call.agrees).map(|call| call.probe.as_str()).collect();
    let mark = if seen.held { '✓' } else { '✗' };
    let mut text = format!("{mark} {}: {}", words::counted(seen.calls.len(), "call"), scenarios.join(", "));
    if !bad.is_empty() {
        let _ = write!(text, "\n✗ not as expected: {}", bad.join(", "));
    }
    let mut ends: Vec<(&str, usize)> = Vec::new();
    for call in &seen.calls {
        match ends.iter_mut().find(|(saw, _)| *saw == call.saw) {
            Some((_, times)) => *times += 1,
            None => ends.push((&call.saw, 1)),
        }
    }
    ends.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    for (saw, times) in ends.iter().take(SHOWN_ENDS) {
        let _ = write!(text, "\n{times}x {saw}");
    }
    if let Some(more) = ends.len().checked_sub(SHOWN_ENDS).filter(|more| *more > 0) {
        let _ = write!(text, "\nand {more} more; -o json shows all");
    }
    text
}

/// Colours the marks and the head, after the layout, so that no colour counts as width.
fn coloured(line: &str) -> String {
    if line.trim_start().starts_with("TEXTBOOK") {
        return format!("{SOFT}{line}{SOFT:#}");
    }
    line.replace('✓', &format!("{GOOD}✓{GOOD:#}")).replace('✗', &format!("{BAD}✗{BAD:#}"))
}

fn tally(claims: &[ListedClaim], run: Option<&LastRun>) -> String {
    let Some(run) = run else {
        return "no run is stored: `sidelab run` stores what it sees, `--report FILE` reads what\n\
                `sidelab run --json FILE` wrote\n"
            .into();
    };
    let count =
        |mesh, held| claims.iter().filter(|claim| claim.seen.get(&mesh).is_some_and(|seen| seen.held == held)).count();
    let mut text = String::new();
    for mesh in [Flavor::Textbook, Flavor::Istio] {
        let (held, not) = (count(mesh, true), count(mesh, false));
        let unseen = claims.len() - held - not;
        let _ = writeln!(text, "{mesh}: {held} held, {not} not held, {unseen} not in the run");
    }
    let _ = writeln!(
        text,
        "as seen in the run of {} ({})",
        run.started.strftime("%Y-%m-%d %H:%M:%S UTC"),
        words::counted(run.probes.len(), "call")
    );
    text
}
