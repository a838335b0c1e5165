//! From an error message to its causes: what a line of an access log, a response flag, or the error of a client can mean.
//!
//! A table of causes, each with the clues that point to it. Pure: nothing here looks at a lab.

mod cause;
mod causes;
mod clues;

pub use self::cause::Cause;
use self::{cause::Clue, clues::Clues};

#[cfg(test)]
mod tests;

/// How many causes are named.
const MOST: usize = 5;

/// A cause that is this much less likely than the first one is not named.
const FAR_BEHIND: u8 = 35;

/// A possible cause.
#[derive(Clone, Debug)]
pub struct Finding {
    pub cause: &'static Cause,
    /// What in the text points to it.
    pub clues: Vec<String>,
    /// How strongly, from 0 to 100.
    weight: u8,
}

/// The causes that a text can have, most likely first; none if nothing in it is known.
pub fn diagnose(text: &str) -> Vec<Finding> {
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
    Some(Finding { cause, clues, weight: *weight })
}
