//! Counters of a lab's sidecars, and what calls add to them.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mesh::model::Mesh;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    deploy::Deployment,
    facts::{Difference, Field, Value},
    manifests, sidecar,
};

#[cfg(test)]
mod tests;

/// How long a sidecar may take to count a request whose answer the app has.
const COUNTED_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at a counter.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What a probe's calls are expected to add to a counter of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCount {
    /// The sidecar's pod, `POD` or `POD.NAMESPACE`.
    pub of: String,
    /// Its name as in `/stats` of the sidecar, such as `http.outbound_0.0.0.0_8080.downstream_rq_2xx`; or a metric with labels as in
    /// `/stats/prometheus`: `istio_requests_total{response_code="200"}` is the sum of those that have the labels. Stock Envoy has
    /// no `istio_` metrics; they are expected of the native sidecar alone.
    pub counter: String,
    /// How much it gains at least.
    #[serde(default)]
    pub at_least: u64,
    /// How much it gains at most; any number above `at_least` if absent.
    #[serde(default)]
    pub at_most: Option<u64>,
}

/// What a probe's calls added to a counter.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Count {
    /// The sidecar's pod.
    pub of: String,
    pub counter: String,
    /// How much it gained. Absent if the sidecar does not have the counter by its nature.
    pub gained: Option<u64>,
}

impl ExpectedCount {
    /// Checks that it can be met.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        match self.at_most {
            Some(most) if most < self.at_least => Err(format!("at_most: {most} is less than at_least")),
            None if self.at_least == 0 => Err("at_least: any number fits; expect at least 1, or say at_most".into()),
            _ => Ok(()),
        }
    }

    fn is_met(&self, gained: u64) -> bool {
        gained >= self.at_least && self.at_most.is_none_or(|most| gained <= most)
    }

    /// Whether stock Envoy lacks it.
    fn is_istios(&self) -> bool {
        self.counter.starts_with("istio_")
    }
}

impl fmt::Display for ExpectedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, counter, at_least, at_most } = self;
        match at_most {
            Some(most) if most == at_least => write!(f, "{counter} of {of} +{most}"),
            Some(most) => write!(f, "{counter} of {of} +{at_least} to +{most}"),
            None => write!(f, "{counter} of {of} +{at_least} at least"),
        }
    }
}

/// The counters that differ from what is expected.
pub fn differences(expected: &[ExpectedCount], found: &[Count]) -> Vec<Difference> {
    let each = expected.iter().zip(found).enumerate();
    let wrong = each.filter_map(|(number, (expected, found))| {
        let gained = found.gained?;
        (!expected.is_met(gained)).then(|| Difference {
            field: Field::Counter(number),
            expected: Value::One(expected.to_string()),
            found: Some(Value::One(format!("+{gained}"))),
        })
    });
    wrong.collect()
}

/// The counters of a probe before its calls.
pub struct Before<'a> {
    expected: &'a [ExpectedCount],
    /// The pod, and the value; `None` if its sidecar lacks it.
    values: Vec<(usize, Option<u64>)>,
}

impl<'a> Before<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// If a pod does not exist or its sidecar does not answer.
    pub fn read(expected: &'a [ExpectedCount], deployment: &Deployment, mesh: &Mesh) -> Result<Self> {
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
    pub fn gained(self, deployment: &Deployment) -> Result<Vec<Count>> {
        let until = Instant::now() + COUNTED_WITHIN;
        let mut counts = Vec::new();
        for (expected, (pod, before)) in self.expected.iter().zip(self.values) {
            let Some(before) = before else {
                counts.push(Count { of: expected.of.clone(), counter: expected.counter.clone(), gained: None });
                continue;
            };
            let gained = loop {
                let gained = value(deployment, pod, &expected.counter)?.saturating_sub(before);
                if expected.is_met(gained) || Instant::now() > until {
                    break gained;
                }
                std::thread::sleep(BETWEEN_LOOKS);
            };
            counts.push(Count { of: expected.of.clone(), counter: expected.counter.clone(), gained: Some(gained) });
        }
        Ok(counts)
    }
}

/// The value of a counter of a pod's sidecar; 0 if it has none of that name yet.
fn value(deployment: &Deployment, pod: usize, counter: &str) -> Result<u64> {
    let path = if counter.contains('{') { "/stats/prometheus" } else { "/stats" };
    let pod = &deployment.pods[pod];
    let text = pod.enter(|| sidecar::get(path))?;
    let text = text.with_context(|| format!("counts: the sidecar of {} does not answer", pod.name()))?;
    Ok(if counter.contains('{') { sum(&text, counter) } else { plain(&text, counter) })
}

/// The value of a line `NAME: VALUE`. The names that Istio gives to clusters and listeners end with a `;`, which is left out.
fn plain(text: &str, name: &str) -> u64 {
    let name = name.replace(';', "");
    let of_line = |line: &str| {
        let (found, value) = line.split_once(": ")?;
        (found.replace(';', "") == name).then(|| value.trim().parse().ok())?
    };
    text.lines().find_map(of_line).unwrap_or(0)
}

/// The sum of the metrics of a name that have some labels.
fn sum(text: &str, selector: &str) -> u64 {
    let Some((name, labels)) = metric(selector) else { return 0 };
    let of_line = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, of_series) = metric(series)?;
        let has = labels.iter().all(|(label, value)| of_series.get(label) == Some(value));
        (found == name && has).then(|| value.trim().parse::<u64>().ok())?
    };
    text.lines().filter_map(of_line).sum()
}

/// A metric's name and labels, in Prometheus' text format.
pub(crate) fn metric(series: &str) -> Option<(&str, BTreeMap<String, String>)> {
    let (name, rest) = series.split_once('{')?;
    let mut rest = rest.strip_suffix('}')?;
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        labels.insert(label.to_owned(), value);
        rest = quoted[end + 1..].trim_start_matches(',');
    }
    Some((name, labels))
}
