//! From an error message to its causes: what a line of an access log, a response flag, or the error of a client can mean.
//!
//! A table of causes, each with the clues that point to it; where a call is known, what is found there confirms them. Pure: the command
//! looks at the lab.

mod cause;
mod causes;
mod clues;
mod found;
mod predicted;

pub use self::cause::Cause;
pub(crate) use self::found::{Found, FoundIn};
use self::{cause::Clue, clues::Clues};

#[cfg(test)]
mod tests;

/// How many causes are named.
const MOST: usize = 5;

/// A cause that is this much less likely than the first one is not named.
const FAR_BEHIND: u8 = 35;

/// A possible cause.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) cause: &'static Cause,
    /// What in the text points to it.
    pub(crate) clues: Vec<String>,
    /// What points to it where the call is made.
    pub(crate) confirmed_by: Vec<FoundIn>,
    /// How strongly, from 0 to 100.
    weight: u8,
}

/// The causes that a text can have, most likely first; none if nothing in it is known.
pub(crate) fn diagnose(text: &str) -> Vec<Finding> {
    let found = Clues::read(text);
    let mut findings: Vec<Finding> = causes::all().filter_map(|cause| finding(cause, &found)).collect();
    // Stable: of equally likely causes, the first in the table counts.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    let best = findings.first().map_or(0, |finding| finding.weight);
    findings.retain(|finding| finding.weight + FAR_BEHIND >= best);
    findings.truncate(MOST);
    findings
}

/// Why a text can have a cause, by the strongest of its rules.
fn finding(cause: &'static Cause, found: &Clues) -> Option<Finding> {
    let rules = cause.rules.iter().filter(|(_, clues)| clues.iter().all(|clue| found.has(clue)));
    let (weight, clues) = rules.max_by_key(|(weight, _)| *weight)?;
    let clues = clues.iter().filter(|clue| !matches!(clue, Clue::No(_))).map(ToString::to_string).collect();
    Some(Finding { cause, clues, confirmed_by: Vec::new(), weight: *weight })
}

/// Marks the causes that something points to, puts them first, and adds those that are not among the findings.
pub(crate) fn confirm(findings: &mut Vec<Finding>, found: &[Found]) {
    for Found { source, causes: pointed, .. } in found {
        for id in pointed {
            match findings.iter_mut().find(|finding| finding.cause.id == *id) {
                Some(finding) if finding.confirmed_by.contains(source) => {}
                Some(finding) => finding.confirmed_by.push(*source),
                None => findings.extend(causes::all().find(|cause| cause.id == *id).map(|cause| Finding {
                    cause,
                    clues: Vec::new(),
                    confirmed_by: vec![*source],
                    weight: 0,
                })),
            }
        }
    }
    let weight = |finding: &Finding| finding.confirmed_by.iter().map(|source| source.weight()).sum::<usize>();
    // Stable: among equals the order of likelihood stays.
    findings.sort_by_key(|finding| std::cmp::Reverse(weight(finding)));
}
