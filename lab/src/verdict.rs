//! Whether the accounts of a call agree.

use std::{collections::BTreeMap, fmt};

use mesh::account::Account;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    counters::{self, ExpectedCount},
    data_plane::DataPlane,
    expect::Expectation,
    facts::{Difference, differences},
    loads::{self, ExpectedLoad},
    observe_call::Seen,
    traces::{self, ExpectedTraces},
};

#[cfg(test)]
mod tests;

/// The source of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judge {
    /// A person's expectation, in `scenario.yaml`.
    Expected,
    /// The prediction, from the manifests.
    Predicted,
    /// What was seen with a data plane.
    Seen(DataPlane),
}

impl fmt::Display for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected => f.pad("expected"),
            Self::Predicted => f.pad("predicted"),
            Self::Seen(plane) => plane.fmt(f),
        }
    }
}

impl Serialize for Judge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is expected beside a call's account.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Of counters of sidecars.
    pub counts: &'a [ExpectedCount],
    /// Of loads, by their names.
    pub loads: &'a [(String, ExpectedLoad)],
    /// Of traces at a collector.
    pub traces: Option<&'a ExpectedTraces>,
}

/// Whether the accounts of a call agree.
#[derive(Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Verdict {
    /// Whether all accounts agree.
    pub agrees: bool,
    /// The pairs of accounts that differ.
    pub disagreements: Vec<Disagreement>,
}

/// Two accounts that differ.
#[derive(Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Disagreement {
    #[schemars(with = "String")]
    pub account: Judge,
    /// The source that it is compared with.
    #[schemars(with = "String")]
    pub against: Judge,
    /// The fields that differ.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, against, differences } = self;
        for (i, difference) in differences.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let Difference { field, expected, .. } = difference;
            write!(f, "{newline}{field}: {against} {expected}, {account} {}", difference.found())?;
        }
        Ok(())
    }
}

impl Verdict {
    /// Compares each account with what was expected, and what was seen with what was predicted.
    ///
    /// An expectation names what a person cares about. The second comparison covers the rest, so that a deviating data plane is found even
    /// without an expectation. If a call may go several ways, what was seen is compared with the most similar one, and an expectation of one
    /// address fits any that the configuration lets the sidecar choose instead. Returns the prediction that was compared, too. Counters
    /// and loads are only expected, not predicted.
    pub fn compare(
        expected: &Expectation,
        beside: Beside<'_>,
        ways: &[Account],
        seen: &BTreeMap<DataPlane, Seen>,
    ) -> (Option<Account>, Self) {
        let off = |way: &Account, seen: &Seen| differences(&Expectation::from_prediction(way), &seen.account).len();
        let nearest = |seen: &Seen| ways.iter().min_by_key(|way| off(way, seen));
        let mut disagreements = Vec::new();
        for (plane, seen) in seen {
            let predicted = nearest(seen);
            let expected = predicted.map_or_else(|| expected.clone(), |way| expected.clone().along(way, ways));
            disagreements.extend(Self::against(&expected, beside, predicted, *plane, seen));
        }
        let predicted = seen.values().next().and_then(nearest).or(ways.first()).cloned();
        let unexpected =
            predicted.iter().map(|way| (Judge::Predicted, differences(&expected.clone().along(way, ways), way)));
        let of_prediction = unexpected.filter(|(_, differences)| !differences.is_empty());
        let of_prediction =
            of_prediction.map(|(account, differences)| Disagreement { account, against: Judge::Expected, differences });
        let disagreements: Vec<_> = of_prediction.chain(disagreements).collect();
        let verdict = Self { agrees: disagreements.is_empty() && !seen.is_empty(), disagreements };
        (predicted, verdict)
    }

    /// What was seen on one data plane, against what was expected and predicted.
    fn against(
        expected: &Expectation,
        beside: Beside<'_>,
        predicted: Option<&Account>,
        plane: DataPlane,
        seen: &Seen,
    ) -> Vec<Disagreement> {
        let mut unexpected = differences(expected, &seen.account);
        unexpected.extend(counters::differences(beside.counts, &seen.evidence.counts));
        unexpected.extend(traces::differences(beside.traces, &seen.evidence.traces));
        unexpected.extend(loads::differences(beside.loads, &seen.evidence.loads));
        let mut unpredicted = predicted
            .map_or_else(Vec::new, |predicted| differences(&Expectation::from_prediction(predicted), &seen.account));
        unpredicted.retain(|difference| unexpected.iter().all(|reported| reported.field != difference.field));
        [(Judge::Expected, unexpected), (Judge::Predicted, unpredicted)]
            .into_iter()
            .filter(|(_, differences)| !differences.is_empty())
            .map(|(against, differences)| Disagreement { account: Judge::Seen(plane), against, differences })
            .collect()
    }

    /// [`compare`](Self::compare) with one prediction.
    #[cfg(test)]
    pub(crate) fn compare_one(
        expected: &Expectation,
        predicted: Option<&Account>,
        seen: &BTreeMap<DataPlane, Seen>,
    ) -> Self {
        Self::compare(expected, Beside::default(), predicted.map_or(&[], std::slice::from_ref), seen).1
    }
}
