//! The layerings, and whether they carry what their names say.

use anyhow::Result;
use mesh::account::LegNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    data_plane::DataPlane,
    run::{self, Options},
    run_report::ProbeReport,
    scenario::{Probe, Scenario},
    verdict::Judge,
};

/// A way to layer TLS over a call.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Layering {
    /// Its name, which is also the probe's.
    pub name: String,
    /// The calling pod, `POD.NAMESPACE`.
    pub client: String,
    /// The pod that answers.
    pub server: String,
    /// The URL that the client calls.
    pub url: String,
    /// What legs 1, 2 and 3 carried: `mtls > http/1.1`; `None` for a missing leg.
    pub legs: [Option<String>; 3],
}

/// A layering that does not carry what its name says, and is not measured.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Refuted {
    pub name: String,
    pub data_plane: DataPlane,
    /// What was seen instead.
    pub seen: Vec<String>,
}

/// Makes one call of each layering on each data plane, and decrypts it.
///
/// # Errors
/// If a lab can't be made.
pub fn check(scenario: &Scenario, options: &Options) -> Result<(Vec<Layering>, Vec<Refuted>)> {
    let report = run::run(std::slice::from_ref(scenario), options)?;
    let mut layerings = Vec::new();
    let mut refuted = Vec::new();
    for (probe, seen) in scenario.probes.iter().zip(&report.probes) {
        let wrong = refutations(seen);
        layerings.extend(layering(probe, seen, &wrong));
        refuted.extend(wrong);
    }
    Ok((layerings, refuted))
}

fn refutations(report: &ProbeReport) -> Vec<Refuted> {
    let of_plane = |data_plane: &DataPlane| {
        let wrong = report.verdict.disagreements.iter().filter(|one| one.account == Judge::Seen(*data_plane));
        let seen: Vec<String> = wrong.flat_map(|one| &one.differences).map(ToString::to_string).collect();
        (!seen.is_empty()).then(|| Refuted { name: report.probe.clone(), data_plane: *data_plane, seen })
    };
    report.seen.keys().filter_map(of_plane).collect()
}

/// A layering as seen on a data plane where it carries what its name says.
fn layering(probe: &Probe, report: &ProbeReport, wrong: &[Refuted]) -> Option<Layering> {
    let is_right = |plane: &DataPlane| wrong.iter().all(|refuted| refuted.data_plane != *plane);
    let account = &report.seen.iter().find(|(plane, _)| is_right(plane))?.1.account;
    let legs = [LegNumber::ToSidecar, LegNumber::BetweenPods, LegNumber::ToApp].map(|number| {
        let leg = account.leg(number)?;
        Some(leg.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" > "))
    });
    Some(Layering {
        name: probe.name.clone(),
        client: account.from.pod.clone(),
        server: account.to.pod.clone()?,
        url: probe.url(),
        legs,
    })
}
