//! `sidelab scenarios`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{OK, print_json};
use crate::{
    cli::{Output, RootArgs, ScenariosArgs},
    scenario::{self, Scenario},
};

impl RootArgs {
    /// The folder of scenarios.
    pub(super) fn folder(&self) -> PathBuf {
        if let Some(folder) = &self.scenarios {
            return folder.clone();
        }
        let here = PathBuf::from("scenarios");
        if here.is_dir() {
            return here;
        }
        let program = std::env::current_exe().unwrap_or_default();
        let checkout = program.ancestors().map(|folder| folder.join("scenarios")).find(|folder| folder.is_dir());
        checkout.unwrap_or(here)
    }
}

#[derive(Serialize)]
struct ListedScenario<'a> {
    name: &'a str,
    title: &'a str,
    shows: &'a str,
    claims: &'a [String],
    signatures: &'a [String],
    probes: Vec<&'a str>,
    folder: &'a Path,
}

pub(super) fn scenarios(args: &ScenariosArgs) -> Result<u8> {
    let mut scenarios = scenario::find(&args.root.folder(), &[])?;
    scenarios.retain(|scenario| {
        args.claim.as_ref().is_none_or(|claim| scenario.claims.contains(claim))
            && args.signature.as_ref().is_none_or(|signature| scenario.signatures.contains(signature))
    });
    match args.output.output {
        Output::Json => print_json(&scenarios.iter().map(listed).collect::<Vec<_>>())?,
        Output::Table => {
            let mut table = table(["NAME", "TITLE", "CLAIMS", "FAILURES", "CALLS"]);
            for scenario in &scenarios {
                table.add_row([
                    scenario.name.clone(),
                    scenario.title.clone(),
                    scenario.claims.join(" "),
                    scenario.signatures.join(" "),
                    scenario.probes.len().to_string(),
                ]);
            }
            anstream::println!("{}", table.trim_fmt());
        }
    }
    Ok(OK)
}

fn listed(scenario: &Scenario) -> ListedScenario<'_> {
    ListedScenario {
        name: &scenario.name,
        title: &scenario.title,
        shows: &scenario.shows,
        claims: &scenario.claims,
        signatures: &scenario.signatures,
        probes: scenario.probes.iter().map(|probe| probe.name.as_str()).collect(),
        folder: &scenario.directory,
    }
}

/// A table as wide as the terminal, 100 columns elsewhere.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if !table.is_tty() {
        table.set_width(100);
    }
    table
}
