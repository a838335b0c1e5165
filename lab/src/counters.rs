//! Counters of a lab's sidecars, and what calls add to them.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    facts::{Difference, Field, Value},
    sidecar,
};

#[cfg(test)]
mod tests;

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

    pub(crate) fn is_met(&self, gained: u64) -> bool {
        gained >= self.at_least && self.at_most.is_none_or(|most| gained <= most)
    }

    /// Whether stock Envoy lacks it.
    pub(crate) fn is_istios(&self) -> bool {
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

/// The value of a counter in what a sidecar prints; 0 if it has none of that name yet.
pub(crate) fn read(text: &str, counter: &str) -> u64 {
    if is_metric(counter) { sum(text, counter) } else { plain(text, counter) }
}

/// Whether it is named as a metric with labels, as in `/stats/prometheus`.
pub(crate) fn is_metric(counter: &str) -> bool {
    counter.contains('{')
}

/// The value of a line `NAME: VALUE`. The names that Istio gives to clusters and listeners end with a `;`, which is left out.
fn plain(text: &str, name: &str) -> u64 {
    let name = name.replace(';', "");
    sidecar::counters(text).find(|(found, _)| found.replace(';', "") == name).map_or(0, |(_, value)| value)
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
