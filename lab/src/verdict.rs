//! Whether the accounts of a call agree.

use std::{collections::BTreeMap, fmt};

use mesh::account::Account;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::{
    data_plane::DataPlane,
    expect::Expectation,
    facts::{Difference, differences},
    observe_call::Seen,
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
    /// The account's source.
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
    /// An expectation names what a person cares about. The second comparison covers the rest, so that a data plane that
    /// goes its own way is found even where nobody thought of expecting anything.
    pub fn of(expected: &Expectation, predicted: Option<&Account>, seen: &BTreeMap<DataPlane, Seen>) -> Self {
        let mut disagreements = Vec::new();
        let mut compare = |account, against, differences: Vec<Difference>| {
            if !differences.is_empty() {
                disagreements.push(Disagreement { account, against, differences });
            }
        };
        if let Some(predicted) = predicted {
            compare(Judge::Predicted, Judge::Expected, differences(expected, predicted));
        }
        for (plane, seen) in seen {
            let unexpected = differences(expected, &seen.account);
            let mut unpredicted = predicted
                .map_or_else(Vec::new, |predicted| differences(&Expectation::of_prediction(predicted), &seen.account));
            unpredicted.retain(|difference| unexpected.iter().all(|reported| reported.field != difference.field));
            compare(Judge::Seen(*plane), Judge::Expected, unexpected);
            compare(Judge::Seen(*plane), Judge::Predicted, unpredicted);
        }
        Self { agrees: disagreements.is_empty() && !seen.is_empty(), disagreements }
    }
}
