//! Selects the scenarios and calls of a run.

use std::{cmp::Reverse, str::FromStr};

use thiserror::Error;

use crate::scenario::{Probe, Scenario};

#[cfg(test)]
mod tests;

/// What to select. An empty list does not restrict the selection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Calls that test one of these claims.
    pub claims: &'a [String],
    /// Calls whose name contains one of these texts, ignoring case.
    pub probes: &'a [String],
    /// One of several parts of the scenarios.
    pub shard: Option<Shard>,
}

/// One of several parts: `2/4` is the second of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The part's number, from 1.
    number: usize,
    /// The number of parts.
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected K/N, such as 2/4 for the second of four parts".into()),
        }
    }
}

/// The selection is empty.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NothingSelected {
    /// No call tests these claims.
    #[error("--claim {0}: no call of these scenarios tests it; `sidelab claims` lists what is tested")]
    Claim(String),
    /// No call has this text in its name.
    #[error(
        "--probe {text:?}: no call of these scenarios has this in its name{}",
        meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"))
    )]
    Probe {
        text: String,
        /// A similar name.
        meant: Option<String>,
    },
    /// The calls with these names test other claims.
    #[error("--claim, --probe: no call matches both")]
    Both,
}

/// The scenarios, reduced to their selected calls, and where the lab changes between calls, those before them; scenarios without any
/// are left out. A shard can be empty if there are more shards
/// than scenarios.
///
/// # Errors
/// If a claim or a name matches no call, or both together match none.
pub fn select(mut scenarios: Vec<Scenario>, selection: Selection<'_>) -> Result<Vec<Scenario>, NothingSelected> {
    let Selection { claims, probes, shard } = selection;
    let any = |is_asked: &dyn Fn(&Probe) -> bool| scenarios.iter().flat_map(|scenario| &scenario.probes).any(is_asked);
    if let Some(claim) = claims.iter().find(|claim| !any(&|probe| probe.claims.contains(claim))) {
        return Err(NothingSelected::Claim(claim.clone()));
    }
    if let Some(text) = probes.iter().find(|text| !any(&|probe| has(&probe.name, text))) {
        let names = scenarios.iter().flat_map(|scenario| &scenario.probes).map(|probe| probe.name.as_str());
        let meant = mesh::nearest(text, names).map(str::to_owned);
        return Err(NothingSelected::Probe { text: text.clone(), meant });
    }
    let is_selected = |probe: &Probe| {
        (claims.is_empty() || probe.claims.iter().any(|claim| claims.contains(claim)))
            && (probes.is_empty() || probes.iter().any(|text| has(&probe.name, text)))
    };
    for scenario in &mut scenarios {
        if scenario.has_steps() {
            // Each call depends on the changes before it.
            let last = scenario.probes.iter().rposition(is_selected);
            scenario.probes.truncate(last.map_or(0, |last| last + 1));
        } else {
            scenario.probes.retain(is_selected);
        }
    }
    scenarios.retain(|scenario| !scenario.probes.is_empty());
    if scenarios.is_empty() {
        return Err(NothingSelected::Both);
    }
    Ok(match shard {
        Some(shard) => part(scenarios, shard),
        None => scenarios,
    })
}

fn has(name: &str, text: &str) -> bool {
    name.to_lowercase().contains(&text.to_lowercase())
}

/// One part of the scenarios, chosen so that all parts have about the same number of calls: each scenario, the largest first, goes to
/// the part with the fewest so far.
fn part(scenarios: Vec<Scenario>, shard: Shard) -> Vec<Scenario> {
    let mut by_size: Vec<usize> = (0..scenarios.len()).collect();
    by_size.sort_by_key(|&index| Reverse(scenarios[index].probes.len()));
    let mut calls = vec![0; shard.of];
    let mut part_of = vec![0; scenarios.len()];
    for index in by_size {
        let fewest = (0..shard.of).min_by_key(|&part| calls[part]).unwrap_or_default();
        part_of[index] = fewest;
        calls[fewest] += scenarios[index].probes.len();
    }
    let kept = scenarios.into_iter().zip(part_of).filter(|(_, part)| part + 1 == shard.number);
    kept.map(|(scenario, _)| scenario).collect()
}
