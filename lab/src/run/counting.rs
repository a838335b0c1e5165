//! Reads counters of a lab's sidecars before and after calls.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mesh::model::Mesh;

use crate::{
    counters::{self, Count, ExpectedCount},
    deploy::Deployment,
    interrupt, manifests, sidecar,
};

/// How long a sidecar may take to count a request whose answer the app has.
const COUNTED_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at a counter.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The counters of a probe before its calls.
pub(super) struct Before<'a> {
    expected: &'a [ExpectedCount],
    /// The pod, and the value; `None` if its sidecar lacks it.
    values: Vec<(usize, Option<u64>)>,
}

impl<'a> Before<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// If a pod does not exist or its sidecar does not answer.
    pub(super) fn read(expected: &'a [ExpectedCount], deployment: &Deployment, mesh: &Mesh) -> Result<Self> {
        let one = |count: &ExpectedCount| {
            let pod = manifests::find_pod(mesh, &count.of, manifests::DEFAULT_NAMESPACE).context("counts: `of`")?;
            let lacks = count.is_istios() && !deployment.is_native(pod);
            let value = if lacks { None } else { Some(value(deployment, pod, &count.counter)?) };
            Ok((pod, value))
        };
        Ok(Self { expected, values: expected.iter().map(one).collect::<Result<_>>()? })
    }

    /// What they have gained since. A sidecar counts a request when it is over, which may be after the app has its answer.
    ///
    /// # Errors
    /// If a sidecar does not answer.
    pub(super) fn gained(self, deployment: &Deployment) -> Result<Vec<Count>> {
        let until = Instant::now() + COUNTED_WITHIN;
        let mut counts = Vec::new();
        for (expected, (pod, before)) in self.expected.iter().zip(self.values) {
            let mut gained = None;
            while let Some(before) = before {
                let now = value(deployment, pod, &expected.counter)?.saturating_sub(before);
                gained = Some(now);
                if expected.is_met(now) || Instant::now() > until {
                    break;
                }
                interrupt::pause(BETWEEN_LOOKS);
            }
            counts.push(Count { of: expected.of.clone(), counter: expected.counter.clone(), gained });
        }
        Ok(counts)
    }
}

/// The value of a counter of a pod's sidecar; 0 if it has none of that name yet.
fn value(deployment: &Deployment, pod: usize, counter: &str) -> Result<u64> {
    let path = if counters::is_metric(counter) { "/stats/prometheus" } else { "/stats" };
    let pod = &deployment.pods[pod];
    let text = pod.enter(|| sidecar::get(path))?;
    let text = text.with_context(|| format!("counts: the sidecar of {} does not answer", pod.name()))?;
    Ok(counters::read(&text, counter))
}
