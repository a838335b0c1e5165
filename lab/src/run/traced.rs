//! Reads the traces of calls at a collector in the lab.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mesh::model::Mesh;

use crate::{
    container,
    deploy::Deployment,
    interrupt, manifests,
    traces::{self, ExpectedTraces, Trace},
};

/// How long spans may be on their way after the app has its answer: a sidecar reports them when the request is over.
const REPORTED_WITHIN: Duration = Duration::from_secs(3);

/// Time between two looks at the collector's log.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The traces that have begun within a time, in nanoseconds since 1970.
///
/// # Errors
/// If there is no such collector.
pub(super) fn received(
    expected: Option<&ExpectedTraces>,
    deployment: &Deployment,
    mesh: &Mesh,
    time: (u64, u64),
) -> Result<Vec<Trace>> {
    let Some(expected) = expected else { return Ok(vec![]) };
    let pod = manifests::find_pod(mesh, &expected.at, manifests::DEFAULT_NAMESPACE).context("traces: `at`")?;
    let logs = mesh.pods[pod].containers.iter().map(|one| container::log(&deployment.pods[pod], &one.name));
    let logs: Vec<_> = logs.collect();
    let until = Instant::now() + REPORTED_WITHIN;
    loop {
        let text: String = logs.iter().filter_map(|log| fs::read_to_string(log).ok()).collect();
        let found = traces::read(&text, time);
        if expected.is_met(&found) || Instant::now() > until {
            return Ok(found);
        }
        interrupt::pause(BETWEEN_LOOKS);
    }
}
