//! A failed call, for CI: where it is defined, what was found, and how to repeat it.

use std::{fmt::Write, fs, path::PathBuf};

use crate::{observe_call::Seen, run_report::ProbeReport, scenario::Scenario, summary};

#[cfg(test)]
mod tests;

/// The place of a call's definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `scenario.yaml`, as the scenario was found.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
}

impl Place {
    /// The definition of a reported call; `None` if its scenario is not among these.
    pub(crate) fn find(probe: &ProbeReport, scenarios: &[Scenario]) -> Option<Self> {
        let scenario = scenarios.iter().find(|scenario| scenario.name == probe.scenario)?;
        let file = scenario.directory.join("scenario.yaml");
        let text = fs::read_to_string(&file).unwrap_or_default();
        Some(Self { line: line_of(&text, &probe.probe).unwrap_or(1), file })
    }
}

/// The line that names a probe, from 1.
fn line_of(text: &str, probe: &str) -> Option<usize> {
    let names = |line: &str| {
        let value = line.split_once("name:")?.1.trim_start().trim_start_matches(['"', '\'']);
        let rest = value.strip_prefix(probe)?.trim_start();
        Some(rest.is_empty() || rest.starts_with(['"', '\'', ',', '}', '#']))
    };
    text.lines().position(|line| names(line).unwrap_or(false)).map(|index| index + 1)
}

/// A call's name among all calls of a run: `strict (istio): http over IPv4`.
pub(crate) fn title(probe: &ProbeReport) -> String {
    format!("{} ({}): {}", probe.scenario, probe.mesh, probe.probe)
}

/// The differences between its accounts, one per line.
pub(crate) fn disagreements(probe: &ProbeReport) -> Vec<String> {
    let disagreements = probe.verdict.disagreements.iter().map(ToString::to_string);
    disagreements.flat_map(|lines| lines.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// All details, in lines: the differences, each account, logs, and the command that repeats the call.
pub(crate) fn details(probe: &ProbeReport, scenarios: &[Scenario]) -> String {
    let mut text = disagreements(probe).join("\n") + "\n";
    if let Some(predicted) = &probe.predicted {
        let _ = writeln!(text, "\npredicted: {}", summary::line(predicted));
    }
    for (plane, Seen { account, evidence }) in &probe.seen {
        let _ = writeln!(text, "\n{plane}: {}", summary::line(account));
        let lines = [
            ("client", &evidence.client_sidecar_log),
            ("gateway", &evidence.gateway_log),
            ("server", &evidence.server_sidecar_log),
        ];
        for (whose, line) in lines {
            if let Some(line) = line {
                let _ = writeln!(text, "  {whose} sidecar's log: {}", line.trim_end());
            }
        }
        for load in &evidence.loads {
            let _ = writeln!(text, "  load {}: {load}", load.name);
        }
        for note in &evidence.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        if let Ok(client) = serde_json::to_string(&evidence.client) {
            let _ = writeln!(text, "  client: {client}");
        }
    }
    let _ = writeln!(text, "\nrerun: {}", rerun_command(probe, scenarios));
    text
}

/// The command that repeats the call.
fn rerun_command(probe: &ProbeReport, scenarios: &[Scenario]) -> String {
    let scenario = scenarios.iter().find(|scenario| scenario.name == probe.scenario);
    let folder = scenario.map_or_else(|| probe.scenario.clone(), |scenario| scenario.directory.display().to_string());
    let planes: Vec<String> = probe.seen.keys().map(ToString::to_string).collect();
    let plane = match &planes[..] {
        [plane] => plane.clone(),
        _ => "both".into(),
    };
    let [folder, name] = [&folder, &probe.probe].map(|word| quoted(word));
    format!("sidelab run {folder} --probe {name} --mesh {} --data-plane {plane}", probe.mesh)
}

/// A word quoted for a shell.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
