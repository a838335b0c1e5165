//! Loads that run while a scenario's lab changes: what is expected of them, and what their apps and packets show.

use std::{fmt, time::Duration};

use mesh::account::AppProtocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Difference, Field, Value};

mod seen;
#[cfg(test)]
mod tests;

pub use seen::LoadSeen;
pub(crate) use seen::{Connection, Step, seen};

/// Requests from a pod, as long as the pod exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its name, unique in the scenario.
    pub name: String,
    /// The calling pod, `POD` or `POD.NAMESPACE`.
    pub from: String,
    /// What the app calls, as the demo client accepts it.
    pub url: String,
    pub app: AppProtocol,
    pub connections: Connections,
    /// The limit of each request.
    pub timeout: Duration,
}

/// How a load uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connections {
    /// Two, with one request after the other.
    Kept,
    /// One for each request.
    New,
}

/// What is expected of a load in a step: from the first change before a probe's call to the end of the call.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLoad {
    pub fails: Fails,
    /// Whether at least one connection between the pods is open from before the first change until after the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<bool>,
    /// The certificates that connections show which are opened in the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Certificates>,
}

/// How many requests of a load fail, or are answered with an HTTP status of 400 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fails {
    /// None that ends in the step.
    None,
    /// At least one that ends in the step.
    Some,
    /// All that begin after the last change.
    All,
}

/// The certificates of both sidecars, as connections between the pods show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certificates {
    /// Those that were shown before the step.
    Same,
    /// After each change, only ones that no connection had shown before.
    New,
}

/// The loads that differ from what is expected of them.
pub fn differences(expected: &[(String, ExpectedLoad)], found: &[LoadSeen]) -> Vec<Difference> {
    let none = LoadSeen::default();
    let each = expected.iter().enumerate().map(|(number, (name, expected))| {
        (number, name, expected, found.iter().find(|seen| seen.name == *name).unwrap_or(&none))
    });
    let wrong = each.filter(|(_, _, expected, found)| !expected.is_met(found));
    let difference = |(number, name, expected, found): (usize, &String, &ExpectedLoad, &LoadSeen)| Difference {
        field: Field::Load(number),
        expected: Value::One(format!("{name}: {expected}")),
        found: Some(Value::One(found.to_string())),
    };
    wrong.map(difference).collect()
}

impl ExpectedLoad {
    fn is_met(&self, seen: &LoadSeen) -> bool {
        let fails = match self.fails {
            Fails::None => seen.failed == 0,
            Fails::Some => seen.failed > 0,
            Fails::All => seen.requests_after > 0 && seen.failed_after == seen.requests_after,
        };
        let kept = self.kept.is_none_or(|kept| kept == (seen.kept > 0));
        let certificates = match self.certificates {
            None => true,
            Some(Certificates::Same) => seen.new_certificates == 0,
            Some(Certificates::New) => seen.changes > 0 && seen.renewals == seen.changes,
        };
        seen.requests > 0 && fails && kept && certificates
    }
}

impl fmt::Display for ExpectedLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.fails {
            Fails::None => "no request fails",
            Fails::Some => "requests fail",
            Fails::All => "all requests after the change fail",
        })?;
        match self.kept {
            Some(true) => f.write_str(", a connection stays open")?,
            Some(false) => f.write_str(", no connection stays open")?,
            None => {}
        }
        f.write_str(match self.certificates {
            Some(Certificates::Same) => ", the same certificates",
            Some(Certificates::New) => ", new certificates after each change",
            None => "",
        })
    }
}
