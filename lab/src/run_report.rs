//! What a run found: for each call the four accounts, and whether they agree. Its JSON is `sidelab.run/v1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mesh::{
    account::Account,
    model::{ControlPlane, Family, Flavor},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api_server::ApiServer,
    claims,
    data_plane::DataPlane,
    expect::Expectation,
    observe_call::Seen,
    scenario::{Cell, Grid},
    verdict::Verdict,
};

#[derive(Debug, JsonSchema, Serialize)]
pub struct RunReport {
    /// `sidelab.run/v1`.
    pub schema: &'static str,
    pub version: &'static str,
    pub started: jiff::Timestamp,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The source of the sidecars' files; the compiler if absent.
    #[serde(skip_serializing_if = "ControlPlane::is_compiler")]
    pub control_plane: ControlPlane,
    /// The API server that called the webhooks; `demo-apiserver` if absent.
    #[serde(skip_serializing_if = "ApiServer::is_demo")]
    pub api_server: ApiServer,
    /// The cost of bringing up labs, by data plane.
    pub labs: BTreeMap<DataPlane, LabFigures>,
    /// Whether all verdicts agree.
    pub agrees: bool,
    /// The calls, in order of scenario, probe and mesh.
    pub probes: Vec<ProbeReport>,
    /// Labs that were not started because a call had failed (`--fail-fast`): `SCENARIO-MESH-DATAPLANE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<String>,
}

/// The version of [`RunReport`].
pub const SCHEMA: &str = "sidelab.run/v1";

/// The cost of bringing up labs, on this machine and under its current load.
#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct LabFigures {
    /// How long each lab took until all its sidecars and apps were ready, in seconds.
    pub ready_seconds: Vec<f64>,
    /// The resident memory of each sidecar when it was ready, before any traffic, in bytes.
    pub resident_bytes: Vec<u64>,
}

/// One call in one mesh.
#[derive(Debug, JsonSchema, Serialize)]
pub struct ProbeReport {
    pub scenario: String,
    pub title: String,
    pub probe: String,
    pub mesh: Flavor,
    /// Its cell, if the scenario's calls are drawn as a grid, and the grid's axes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<(Grid, Cell)>,
    /// The claims that it tests.
    pub claims: Vec<String>,
    /// The failure signatures that it reproduces.
    pub signatures: Vec<String>,
    /// The call as the app makes it, such as `http://server:8080`.
    pub url: String,
    pub family: Family,
    /// What a person expects.
    pub expected: Expectation,
    /// What the manifests predict.
    pub predicted: Option<Account>,
    /// What was seen, by data plane.
    #[serde(flatten)]
    pub seen: BTreeMap<DataPlane, Seen>,
    pub verdict: Verdict,
}

/// The claims that calls test, each once, by number.
pub fn claims_of(probes: &[ProbeReport]) -> Vec<&str> {
    let mut names: Vec<&str> = probes.iter().flat_map(|probe| &probe.claims).map(String::as_str).collect();
    names.sort_by_key(|name| (claims::number(name), *name));
    names.dedup();
    names
}

impl RunReport {
    /// Assembles the report of a run.
    pub fn new(started: jiff::Timestamp, took: Duration, probes: Vec<ProbeReport>) -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            started,
            seconds: took.as_secs_f64(),
            control_plane: ControlPlane::Compiler,
            api_server: ApiServer::Demo,
            labs: BTreeMap::new(),
            agrees: probes.iter().all(|probe| probe.verdict.agrees),
            probes,
            not_run: Vec::new(),
        }
    }

    /// The data planes that ran.
    pub fn planes(&self) -> BTreeSet<DataPlane> {
        self.probes.iter().flat_map(|probe| probe.seen.keys().copied()).collect()
    }

    /// By claim: the meshes in which it was tested, and whether all its calls were as expected.
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
