//! The index of claims: the statement, the behaviour of each mesh, and whether it was seen.

use std::collections::BTreeMap;

use maud::{Markup, html};
use mesh::model::Flavor;

use super::{
    Page, call_id, count, mark,
    scenario::{MESHES, Tests, by_claim},
    slug,
};
use crate::claims::Claim;

/// The result of a claim in a mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    NotHeld,
    NotTested,
}

impl Standing {
    fn new(held: Option<bool>) -> Self {
        match held {
            Some(true) => Self::Held,
            Some(false) => Self::NotHeld,
            None => Self::NotTested,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Held => "ok",
            Self::NotHeld => "bad",
            Self::NotTested => "soft",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Held => "✓",
            Self::NotHeld => "✗",
            Self::NotTested => "·",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::NotHeld => "not held",
            Self::NotTested => "not tested",
        }
    }
}

/// A claim with its results in the textbook's mesh and in Istio's.
struct Row<'a> {
    name: String,
    claim: &'a Claim,
    results: [Standing; 2],
}

pub(super) fn render(page: &Page<'_>) -> Markup {
    let seen = page.run.claims();
    let result = |name: &str, mesh: Flavor| Standing::new(seen.get(name).and_then(|meshes| meshes.get(&mesh)).copied());
    let rows: Vec<Row<'_>> = page
        .claims
        .iter()
        .map(|(number, claim)| {
            let name = format!("C{number}");
            let results = MESHES.map(|mesh| result(&name, mesh));
            Row { name, claim, results }
        })
        .collect();
    let scenarios = by_claim(page);
    html! {
        section .claims aria-labelledby="claims" {
            h2 #claims { "Claims" }
            p .soft {
                "Held: every call that tests the claim went as expected, in all accounts. "
                "The first mark is the textbook's mesh, the second Istio's. "
                @for (i, mesh) in MESHES.into_iter().enumerate() {
                    (tally(mesh, &rows.iter().map(|row| row.results[i]).collect::<Vec<_>>())) " "
                }
            }
            ul .tiles { @for row in &rows { (tile(row)) } }
            details .more {
                summary { "What each claim says, and the scenarios that test it" }
                div .scroll {
                    table .claimtable {
                        thead {
                            tr {
                                th scope="col" { "Claim" }
                                @for mesh in MESHES { th scope="col" { (mesh) } }
                                th scope="col" { "Seen in" }
                            }
                        }
                        tbody { @for row in &rows { (line(row, &scenarios)) } }
                    }
                }
            }
        }
    }
}

fn tally(mesh: Flavor, results: &[Standing]) -> String {
    let number = |wanted: Standing| results.iter().filter(|result| **result == wanted).count();
    let [held, not_held, not_tested] = [Standing::Held, Standing::NotHeld, Standing::NotTested].map(number);
    format!("{mesh}: {held} held, {not_held} not held, {not_tested} not tested.")
}

fn tile(row: &Row<'_>) -> Markup {
    let tested = row.results.iter().any(|result| *result != Standing::NotTested);
    let [textbook, istio] = row.results.map(Standing::word);
    html! {
        li {
            a .tile.untested[!tested] href={ "#" (row.name) } title=(row.claim.claim) {
                span .name { (row.name) }
                @for result in row.results { span class=(result.class()) aria-hidden="true" { (result.sign()) } }
                span .sr { ": textbook " (textbook) ", istio " (istio) }
            }
        }
    }
}

fn line(row: &Row<'_>, scenarios: &BTreeMap<&str, Vec<Tests<'_>>>) -> Markup {
    let statements = [&row.claim.textbook, &row.claim.istio];
    html! {
        tr id=(row.name) {
            th scope="row" { b { (row.name) } " " (row.claim.claim) }
            @for ((statements, result), mesh) in statements.into_iter().zip(row.results).zip(MESHES) {
                td data-mesh=(mesh) {
                    span class={ "result " (result.class()) } { (result.sign()) " " (result.word()) }
                    " " (statements)
                }
            }
            td data-mesh="seen in" {
                @match scenarios.get(row.name.as_str()) {
                    Some(scenarios) => ul .plain { @for tests in scenarios { li { (seen_in(tests)) } } },
                    None => span .soft { "no scenario of this run" },
                }
            }
        }
    }
}

/// How many of a scenario's calls are named; the scenario has the others.
const NAMED: usize = 6;

/// A scenario that tests a claim: all of it, or these calls.
fn seen_in(tests: &Tests<'_>) -> Markup {
    let more = tests.calls.len().saturating_sub(NAMED);
    html! {
        a href={ "#" (slug(tests.name)) } { (tests.title) }
        @if tests.all {
            " " span .soft { (count(tests.calls.len(), "call")) }
        } @else {
            ul .calls {
                @for (call, agrees) in tests.calls.iter().take(NAMED) {
                    li { (mark(*agrees)) " " a href={ "#" (call_id(tests.name, call)) } { (call) } }
                }
                @if more > 0 { li .soft { "and " (more) " more" } }
            }
        }
    }
}
