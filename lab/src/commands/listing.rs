//! `sidelab scenarios`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;

use super::{OK, print_json};
use crate::{
    cli::{Output, RootArgs, ScenariosArgs},
    data,
    scenario::{self, Scenario},
    terminal::{columns, outln},
};

/// The folder of a bench's layerings.
const LAYERINGS: &str = "benches/layerings";

impl RootArgs {
    /// The folder of scenarios.
    pub(super) fn folder(&self) -> PathBuf {
        self.scenarios.clone().or_else(|| data::folder("scenarios")).unwrap_or_else(|| "scenarios".into())
    }

    /// The layerings of a bench: next to the folder of scenarios if that is named, else those that came with the program.
    pub(super) fn layerings(&self) -> PathBuf {
        let beside = self.scenarios.as_ref().map(|scenarios| scenarios.join("..").join(LAYERINGS));
        let own = || data::folder(LAYERINGS);
        beside.filter(|folder| folder.is_dir()).or_else(own).unwrap_or_else(|| LAYERINGS.into())
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
    if scenarios.is_empty() {
        let asked = [("claim", &args.claim), ("signature", &args.signature)];
        let asked = asked.iter().filter_map(|(option, value)| Some(format!("--{option} {}", value.as_ref()?)));
        bail!("{}: no scenario has it; `sidelab scenarios` lists what each has", asked.collect::<Vec<_>>().join(" "));
    }
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
            outln!("{}", table.trim_fmt())?;
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

/// Separates the columns, and keeps the names in the first from wrapping.
pub(super) fn names_whole(table: &mut Table) {
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if i == 0 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// A table as wide as the terminal.
pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    names_whole(&mut table);
    table.set_width(u16::try_from(columns(100)).unwrap_or(u16::MAX));
    table
}
