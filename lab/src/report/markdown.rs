//! A run as Markdown, for the summary of a GitHub job.

use std::fmt::Write;

use mesh::model::ControlPlane;

use super::{failure, words::counted};
use crate::{
    api_server::ApiServer,
    run_report::{ProbeReport, RunReport, claims_of},
    scenario::Scenario,
};

#[cfg(test)]
mod tests;

/// The maximum number of failed calls with details: a job's summary holds 1 MiB.
const DETAILED: usize = 50;

/// The run: what agrees, scenario by scenario, and the details of each call that does not.
pub fn render(run: &RunReport, scenarios: &[Scenario]) -> String {
    let mut text = String::new();
    let by = match run.control_plane {
        ControlPlane::Compiler => "",
        ControlPlane::Istiod => ", on istiod's files",
        ControlPlane::Dumps => ", on dumped files",
    };
    let calls = match run.api_server {
        ApiServer::Demo => "",
        ApiServer::Real => ", webhooks called by kube-apiserver",
    };
    let planes: Vec<String> = run.planes().iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "## {} sidelab: {}\n\nOn {}{by}{calls}, in {:.1} s.\n",
        mark(run.agrees),
        agree(&run.probes),
        planes.join(", "),
        run.seconds
    );
    if !run.not_run.is_empty() {
        let _ = writeln!(text, "{} not started, because a call failed.\n", counted(run.not_run.len(), "lab"));
    }
    text.push_str("| | Scenario | Calls that agree | Claims |\n|---|---|---|---|\n");
    for calls in run.probes.chunk_by(|one, other| one.scenario == other.scenario) {
        let Some(first) = calls.first() else { continue };
        let right = calls.iter().filter(|call| call.verdict.agrees).count();
        let _ = writeln!(
            text,
            "| {} | **{}**: {} | {right} of {} | {} |",
            mark(right == calls.len()),
            cell(&first.scenario),
            cell(&first.title),
            calls.len(),
            claims_of(calls).join(" ")
        );
    }
    let failed: Vec<&ProbeReport> = run.probes.iter().filter(|call| !call.verdict.agrees).collect();
    for call in failed.iter().take(DETAILED) {
        let _ = writeln!(
            text,
            "\n<details><summary>❌ {}</summary>\n\n{}\n</details>",
            html(&failure::title(call)),
            fenced(&failure::details(call, scenarios))
        );
    }
    if let Some(more) = failed.len().checked_sub(DETAILED).filter(|more| *more > 0) {
        let _ = writeln!(text, "\nand {more} more that failed");
    }
    text
}

fn agree(calls: &[ProbeReport]) -> String {
    let right = calls.iter().filter(|call| call.verdict.agrees).count();
    format!("{right} of {} calls agree", calls.len())
}

fn mark(agrees: bool) -> &'static str {
    if agrees { "✅" } else { "❌" }
}

/// Text within a table's cell.
fn cell(text: &str) -> String {
    html(text).replace('|', "\\|").replace('\n', " ")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Verbatim text, in a fence longer than any in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}
