//! A span that a `demo-server` has received as a collector.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span, as its sender has reported it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SpanReport {
    /// The trace's id, in hexadecimal.
    pub trace: String,
    pub id: String,
    /// The id of the span that it is below of.
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_state: String,
    pub name: String,
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds since 1970.
    pub end_ns: u64,
    /// Whether its status is an error.
    pub failed: bool,
    pub attributes: BTreeMap<String, String>,
    /// Attributes of its sender.
    pub resource: BTreeMap<String, String>,
}

impl SpanReport {
    /// The name of the service that has sent it.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.resource.get("service.name").map(String::as_str)
    }
}

/// Which end of a call a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}
