//! `sidelab claims`: the claims, and what the last run saw of each.

use anyhow::{Result, bail};
use mesh::model::Flavor;

use super::{OK, print_json};
use crate::{
    claims,
    cli::{ClaimsArgs, Output},
    last_run::LastRun,
    report::claims::{self as report, ListedClaim, SeenOfClaim},
    scenario,
    terminal::{columns, out},
};

pub(super) fn claims(args: &ClaimsArgs) -> Result<u8> {
    let root = args.root.folder();
    let scenarios = scenario::find(&root, &[])?;
    let run = match &args.report {
        Some(path) => Some(LastRun::read(path)?),
        None => LastRun::kept()?,
    };
    let seen = run.as_ref().map(LastRun::by_claim).unwrap_or_default();
    let known = claims::read(&root)?;
    if let Some(name) = args.names.iter().find(|name| claims::number(name).is_none_or(|n| !known.contains_key(&n))) {
        let numbers: Vec<u16> = known.keys().copied().collect();
        let range = numbers
            .first()
            .zip(numbers.last())
            .map_or_else(String::new, |(first, last)| format!("C{first} to C{last}"));
        bail!("{name} is not a claim: the claims are {range}; `sidelab claims` lists them");
    }
    let listed = known.into_iter().map(|(number, claim)| {
        let number = format!("C{number}");
        let tested_by = scenarios.iter().filter(|scenario| scenario.claims.contains(&number));
        let of_mesh = |mesh| seen.get(&(number.as_str(), mesh)).map(|calls| (mesh, SeenOfClaim::from_calls(calls)));
        ListedClaim {
            scenarios: tested_by.map(|scenario| scenario.name.clone()).collect(),
            seen: [Flavor::Textbook, Flavor::Istio].into_iter().filter_map(of_mesh).collect(),
            claim,
            number,
        }
    });
    let listed: Vec<ListedClaim> =
        listed.filter(|claim| args.names.is_empty() || args.names.contains(&claim.number)).collect();
    match args.output.output {
        Output::Json => print_json(&listed)?,
        Output::Table => out!("{}", report::render(&listed, run.as_ref(), columns(80)))?,
    }
    Ok(OK)
}
