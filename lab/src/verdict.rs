//! What a run found: for each call the four accounts, and whether they agree. Its JSON is `sidelab.run/v1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use clap::ValueEnum;
use mesh::{
    account::Account,
    model::{Family, Flavor},
};
use serde::{Deserialize, Serialize};

use crate::{
    expect::{Difference, Expectation},
    observe_call::Evidence,
    scenario::{Cell, Grid},
};

#[cfg(test)]
mod tests;

/// Which proxies run as sidecars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum DataPlane {
    /// `sidecar-proxy`, this project's own.
    Native,
    /// The real Envoy.
    Envoy,
    /// `sidecar-proxy` beside the callers, Envoy beside the others.
    NativeToEnvoy,
    /// Envoy beside the callers, `sidecar-proxy` beside the others.
    EnvoyToNative,
}

impl fmt::Display for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Envoy => "envoy",
            Self::NativeToEnvoy => "native-to-envoy",
            Self::EnvoyToNative => "envoy-to-native",
        })
    }
}

/// A whole run.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// `sidelab.run/v1`.
    pub schema: &'static str,
    /// This program's version.
    pub version: &'static str,
    /// When it began.
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// What bringing labs up took, by data plane.
    pub labs: BTreeMap<DataPlane, LabFigures>,
    /// Whether all verdicts agree.
    pub agrees: bool,
    /// The calls, in order of scenario, probe and mesh.
    pub probes: Vec<ProbeReport>,
}

/// The contract's name.
pub const SCHEMA: &str = "sidelab.run/v1";

/// What bringing labs up took. Figures of this run on this machine, under whatever else it was doing.
#[derive(Debug, Default, Serialize)]
pub struct LabFigures {
    /// How long each lab took until all its sidecars and apps were ready, in seconds.
    pub ready_seconds: Vec<f64>,
    /// What each sidecar had resident when it was ready and had served nothing yet, in bytes.
    pub resident_bytes: Vec<u64>,
}

/// One call in one mesh.
#[derive(Debug, Serialize)]
pub struct ProbeReport {
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title.
    pub title: String,
    /// The probe's name.
    pub probe: String,
    /// The mesh.
    pub mesh: Flavor,
    /// Its place, where the scenario's calls are drawn as a grid, and what rows and columns are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<(Grid, Cell)>,
    /// The claims that it serves.
    pub claims: Vec<String>,
    /// The failure signatures that it reproduces.
    pub signatures: Vec<String>,
    /// The call as the app makes it, such as `http://server:8080`.
    pub url: String,
    /// The address family.
    pub family: Family,
    /// What a person expects.
    pub expected: Expectation,
    /// What the manifests predict.
    pub predicted: Option<Account>,
    /// What was seen, by data plane.
    #[serde(flatten)]
    pub seen: BTreeMap<DataPlane, Seen>,
    /// Whether they agree.
    pub verdict: Verdict,
}

/// One call, as it was seen on the wire.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// What the packets and the participants' logs say.
    #[serde(flatten)]
    pub account: Account,
    /// What it was read from.
    pub evidence: Evidence,
}

/// Whether the accounts of a call agree.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether they all do.
    pub agrees: bool,
    /// Where they do not.
    pub disagreements: Vec<Disagreement>,
}

/// Two accounts that differ.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// Whose account it is: `predicted`, `native`, `envoy`, ...
    pub account: String,
    /// Against whose: `expected` or `predicted`.
    pub against: String,
    /// The fields.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, difference) in self.differences.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            let Difference { field, expected, found } = difference;
            let Self { account, against, .. } = self;
            write!(f, "{newline}{field}: {against} {expected}, {account} {found}")?;
        }
        Ok(())
    }
}

impl Verdict {
    /// Compares each account with what was expected, and what was seen with what was predicted.
    ///
    /// An expectation names what a person cares about; the second comparison holds the data planes to the rest, so that
    /// a data plane that goes its own way is found even where nobody thought of expecting anything.
    pub fn of(expected: &Expectation, predicted: Option<&Account>, seen: &BTreeMap<DataPlane, Seen>) -> Self {
        let mut disagreements = Vec::new();
        let mut compare = |account: String, against: &str, differences: Vec<Difference>| {
            if !differences.is_empty() {
                disagreements.push(Disagreement { account, against: against.into(), differences });
            }
        };
        if let Some(predicted) = predicted {
            compare("predicted".into(), "expected", expected.differences(predicted));
        }
        for (plane, seen) in seen {
            let unexpected = expected.differences(&seen.account);
            let unpredicted =
                predicted.map(|predicted| Expectation::of_prediction(predicted).differences(&seen.account));
            let mut unpredicted = unpredicted.unwrap_or_default();
            unpredicted.retain(|difference| unexpected.iter().all(|told| told.field != difference.field));
            compare(plane.to_string(), "expected", unexpected);
            compare(plane.to_string(), "predicted", unpredicted);
        }
        Self { agrees: disagreements.is_empty() && !seen.is_empty(), disagreements }
    }
}

impl RunReport {
    /// Puts a run together.
    pub fn new(started: jiff::Timestamp, took: Duration, probes: Vec<ProbeReport>) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            started,
            seconds: took.as_secs_f64(),
            labs: BTreeMap::new(),
            agrees: probes.iter().all(|probe| probe.verdict.agrees),
            probes,
        }
    }

    /// The data planes that ran.
    pub fn planes(&self) -> BTreeSet<DataPlane> {
        self.probes.iter().flat_map(|probe| probe.seen.keys().copied()).collect()
    }

    /// By claim: in which meshes it was put to the test, and whether all calls for it were as expected.
    pub fn claims(&self) -> BTreeMap<String, BTreeMap<Flavor, bool>> {
        let mut claims: BTreeMap<String, BTreeMap<Flavor, bool>> = BTreeMap::new();
        for probe in &self.probes {
            for claim in &probe.claims {
                let held = claims.entry(claim.clone()).or_default().entry(probe.mesh).or_insert(true);
                *held &= probe.verdict.agrees;
            }
        }
        claims
    }
}
