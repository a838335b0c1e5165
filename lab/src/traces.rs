//! The traces of calls, as a collector in the lab has received them, and what is expected of them.

use std::{collections::BTreeMap, fmt};

use demo_apps::report::{Event, SpanKind, SpanReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facts::{Difference, Field, Value};

#[cfg(test)]
mod tests;

/// The traces that a probe's calls are expected to leave at a collector.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedTraces {
    /// The collector's pod, `POD` or `POD.NAMESPACE`: a `demo-server`, or its stand-in for an image of a collector.
    pub at: String,
    /// The spans of each trace, each below the one before it.
    #[serde(default)]
    pub spans: Vec<ExpectedSpan>,
    /// How many of the calls are traced at least; all if absent.
    #[serde(default)]
    pub at_least: Option<u32>,
    /// How many of the calls are traced at most; all if absent.
    #[serde(default)]
    pub at_most: Option<u32>,
}

/// A span that is expected.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSpan {
    /// The pod whose sidecar reports it, `POD` or `POD.NAMESPACE`.
    pub of: String,
    pub kind: SpanKind,
    pub name: String,
    /// Attributes that it has among others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A trace that a collector has received.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Trace {
    /// Its id.
    pub id: String,
    /// Its spans, each behind the one that it is below of.
    pub spans: Vec<SpanReport>,
}

impl ExpectedTraces {
    /// Sets how many are expected of this many calls where nothing is said.
    pub(crate) fn of_calls(mut self, calls: u32) -> Self {
        self.at_least.get_or_insert(calls);
        self.at_most.get_or_insert(calls);
        self
    }

    /// Checks that it can be met.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if most < least => Err(format!("at_most: {most} is less than at_least")),
            (_, most) if self.spans.is_empty() && most != Some(0) => {
                Err("spans: a trace has spans; name them, or say at_most: 0".into())
            }
            _ => Ok(()),
        }
    }

    /// How many there are to be.
    fn count(&self) -> String {
        match (self.at_least.unwrap_or(0), self.at_most) {
            (least, Some(most)) if least == most => format!("{least} traces"),
            (least, Some(most)) => format!("{least} to {most} traces"),
            (least, None) => format!("{least} traces at least"),
        }
    }

    /// Whether there are as many as expected, each of them as expected.
    pub(crate) fn is_met(&self, found: &[Trace]) -> bool {
        self.is_number(found.len()) && found.iter().all(|trace| trace.is(self))
    }

    fn is_number(&self, found: usize) -> bool {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        found >= self.at_least.unwrap_or(0) && self.at_most.is_none_or(|most| found <= most)
    }

    fn text(&self) -> String {
        self.spans.iter().map(ToString::to_string).collect::<Vec<_>>().join(" > ")
    }
}

impl fmt::Display for ExpectedSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &with_namespace(&self.of), self.kind, &self.name, &self.attributes)
    }
}

fn write(
    f: &mut impl fmt::Write,
    of: &str,
    kind: SpanKind,
    name: &str,
    attributes: &BTreeMap<String, String>,
) -> fmt::Result {
    write!(f, "{of} {} {name:?}", format!("{kind:?}").to_lowercase())?;
    attributes.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
}

fn with_namespace(pod: &str) -> String {
    if pod.contains('.') { pod.to_owned() } else { format!("{pod}.default") }
}

impl Trace {
    fn is(&self, expected: &ExpectedTraces) -> bool {
        self.text(expected) == expected.text()
    }

    /// Its spans as an expectation writes them, with the attributes that this one names.
    fn text(&self, expected: &ExpectedTraces) -> String {
        let mut text = String::new();
        for (i, span) in self.spans.iter().enumerate() {
            if let Some(before) = i.checked_sub(1) {
                let is_below = span.parent.as_deref() == Some(&self.spans[before].id);
                text.push_str(if is_below { " > " } else { ", and not below it " });
            }
            let names = expected.spans.get(i).map(|expected| &expected.attributes);
            let named = names.into_iter().flatten().map(|(name, _)| {
                (name.clone(), span.attributes.get(name).map_or_else(|| "(absent)".to_owned(), Clone::clone))
            });
            // Writing to a text does not fail.
            let _ = write(&mut text, pod(span).unwrap_or("(unknown)"), span.kind, &span.name, &named.collect());
        }
        text
    }
}

/// The pod whose sidecar has reported a span, by its node's id: `sidecar~IP~POD.NAMESPACE~DOMAIN`.
fn pod(span: &SpanReport) -> Option<&str> {
    span.attributes.get("node_id")?.split('~').nth(2)
}

/// The traces in the log of a collector whose spans have begun within a time, in nanoseconds since 1970.
pub(crate) fn read(log: &str, (began_ns, ended_ns): (u64, u64)) -> Vec<Trace> {
    let mut by_trace: BTreeMap<String, Vec<SpanReport>> = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("\"event\":\"span\"")) {
        if let Ok(Event::Span(span)) = serde_json::from_str(line)
            && (began_ns..=ended_ns).contains(&span.start_ns)
        {
            by_trace.entry(span.trace.clone()).or_default().push(*span);
        }
    }
    by_trace.into_iter().map(|(id, spans)| Trace { id, spans: in_order(spans) }).collect()
}

/// Spans, each behind the one that it is below of; of several the one that has begun first.
fn in_order(mut spans: Vec<SpanReport>) -> Vec<SpanReport> {
    spans.sort_by_key(|span| span.start_ns);
    let is_root = |span: &SpanReport| spans.iter().all(|other| span.parent.as_ref() != Some(&other.id));
    let (mut open, mut rest): (Vec<_>, Vec<_>) = spans.iter().cloned().partition(is_root);
    open.reverse();
    let mut ordered = vec![];
    while let Some(span) = open.pop() {
        let (below, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|other| other.parent.as_ref() == Some(&span.id));
        rest = others;
        open.extend(below.into_iter().rev());
        ordered.push(span);
    }
    ordered
}

/// How the traces of calls differ from what is expected.
pub(crate) fn differences(expected: Option<&ExpectedTraces>, found: &[Trace]) -> Vec<Difference> {
    let Some(expected) = expected else { return vec![] };
    let difference = |expected, found| {
        vec![Difference { field: Field::Traces, expected: Value::One(expected), found: Some(Value::One(found)) }]
    };
    if let Some(other) = found.iter().find(|trace| !trace.is(expected)) {
        return difference(expected.text(), other.text(expected));
    }
    match expected.is_number(found.len()) {
        true => vec![],
        false => difference(expected.count(), found.len().to_string()),
    }
}
