//! What the last run saw of each call, stored next to the labs for `sidelab claims`.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path};

use anyhow::{Context, Result, bail};
use mesh::{account::Account, model::Flavor};
use serde::{Deserialize, Serialize};

use crate::{
    data_plane::DataPlane,
    loads::LoadSeen,
    output,
    run_report::{ProbeReport, RunReport, SCHEMA},
};

/// Its file, in the folder of labs.
pub const FILE: &str = "last-run.json";

/// What a run saw: `sidelab.run/v1` without evidence. It can also be read from a full report.
#[derive(Debug, Serialize, Deserialize)]
pub struct LastRun {
    /// `sidelab.run/v1`.
    pub schema: String,
    /// When the run began.
    pub started: jiff::Timestamp,
    /// The calls, in order of scenario, probe and mesh.
    pub probes: Vec<SeenCall>,
}

/// One call in one mesh.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeenCall {
    pub scenario: String,
    pub probe: String,
    pub mesh: Flavor,
    /// The claims that it tests.
    pub claims: Vec<String>,
    /// Whether all accounts agreed.
    pub verdict: Agreement,
    /// The account seen with each data plane that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    native: Option<SeenAccount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envoy: Option<SeenAccount>,
    #[serde(default, rename = "native-to-envoy", skip_serializing_if = "Option::is_none")]
    native_to_envoy: Option<SeenAccount>,
    #[serde(default, rename = "envoy-to-native", skip_serializing_if = "Option::is_none")]
    envoy_to_native: Option<SeenAccount>,
}

/// What was seen of a call with one data plane.
#[derive(Debug, Serialize, Deserialize)]
struct SeenAccount {
    #[serde(flatten)]
    account: Account,
    #[serde(default)]
    evidence: SeenEvidence,
}

/// The part of the evidence that is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SeenEvidence {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    loads: Vec<LoadSeen>,
}

/// A verdict, without its reasons.
#[derive(Debug, Serialize, Deserialize)]
pub struct Agreement {
    /// Whether all accounts agreed.
    pub agrees: bool,
}

impl SeenCall {
    fn from_report(probe: &ProbeReport) -> Self {
        let account = |plane| {
            let seen = probe.seen.get(&plane)?;
            let evidence = SeenEvidence { loads: seen.evidence.loads.clone() };
            Some(SeenAccount { account: seen.account.clone(), evidence })
        };
        Self {
            scenario: probe.scenario.clone(),
            probe: probe.probe.clone(),
            mesh: probe.mesh,
            claims: probe.claims.clone(),
            verdict: Agreement { agrees: probe.verdict.agrees },
            native: account(DataPlane::Native),
            envoy: account(DataPlane::Envoy),
            native_to_envoy: account(DataPlane::NativeToEnvoy),
            envoy_to_native: account(DataPlane::EnvoyToNative),
        }
    }

    /// What was seen: with the native data plane, else with another.
    pub fn account(&self) -> Option<&Account> {
        self.seen().map(|seen| &seen.account)
    }

    /// What loads did meanwhile, with that data plane.
    pub fn loads(&self) -> &[LoadSeen] {
        self.seen().map_or(&[], |seen| &seen.evidence.loads)
    }

    fn seen(&self) -> Option<&SeenAccount> {
        [&self.native, &self.envoy, &self.native_to_envoy, &self.envoy_to_native].into_iter().flatten().next()
    }
}

impl LastRun {
    /// Reads a report of `sidelab run --json`, or of [`keep`].
    ///
    /// # Errors
    /// If the file can't be read, or is not a report.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
        let run: Self = serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("{} is not a report; `sidelab run --json FILE` writes one", path.display()))?;
        if run.schema != SCHEMA {
            bail!(
                "{} is a {:?}, not a {SCHEMA}; write it again with `sidelab run --json FILE`",
                path.display(),
                run.schema
            );
        }
        Ok(run)
    }

    /// What the last run saw, if it was stored.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn kept() -> Result<Option<Self>> {
        let path = netns::labs_dir().join(FILE);
        if path.exists() { Self::read(&path).map(Some) } else { Ok(None) }
    }

    /// The calls that test a claim in a mesh, by claim and mesh.
    pub fn by_claim(&self) -> BTreeMap<(&str, Flavor), Vec<&SeenCall>> {
        let mut calls: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for call in &self.probes {
            for claim in &call.claims {
                calls.entry((claim.as_str(), call.mesh)).or_default().push(call);
            }
        }
        calls
    }
}

/// Stores what a run saw, replacing that of an earlier run. A concurrent reader sees one or the other.
///
/// # Errors
/// If the file can't be written.
pub fn keep(report: &RunReport) -> Result<()> {
    let run = LastRun {
        schema: SCHEMA.into(),
        started: report.started,
        probes: report.probes.iter().map(SeenCall::from_report).collect(),
    };
    output::write(&netns::make_labs_dir()?.join(FILE), serde_json::to_string(&run)?)?;
    Ok(())
}
