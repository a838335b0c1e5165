//! A completed call, and the records of its lab.

use std::collections::BTreeMap;

use demo_apps::report::ClientReport;
use jiff::Timestamp;
use mesh::account::Admission;
use netns::TrackedConnections;
use observe::Flow;

use crate::{access_log::Line, counters::Count, traces::Trace};

/// The records of a lab after all its calls.
#[derive(Debug, Default)]
pub struct Observations {
    /// Every TCP connection, once for each interface that saw it.
    pub flows: Vec<Flow>,
    /// Where a pod's redirects sent the connections that arrived, by pod (`POD.NAMESPACE`).
    pub tracked: BTreeMap<String, TrackedConnections>,
    /// The sidecars' access logs, by pod (`POD.NAMESPACE`).
    pub logs: BTreeMap<String, Vec<Line>>,
    /// Packets that the capture lost; the accounts may then be incomplete.
    pub dropped: u64,
}

/// A completed call.
#[derive(Debug)]
pub struct MadeCall {
    /// Index of the calling pod in [`pods`](mesh::model::Resolved::pods).
    pub from: usize,
    pub report: ClientReport,
    /// The decision, for a webhook call.
    pub admission: Option<Admission>,
    /// The API server's message for a webhook call, if any.
    pub admission_message: Option<String>,
    /// The mark that the client sent.
    pub marker: String,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When the client had ended, in nanoseconds since 1970.
    pub ended_ns: u64,
    /// What the probe's calls added to counters.
    pub counts: Vec<Count>,
    /// The traces that the probe's calls left.
    pub traces: Vec<Trace>,
    /// The marks of loads that ran at the same time, whose connections could be taken for the call's.
    pub loads: Vec<String>,
}

impl MadeCall {
    /// A call that is no webhook's, with nothing beside it.
    pub(crate) fn new(from: usize, report: ClientReport, marker: String, began_ns: u64, ended_ns: u64) -> Self {
        Self {
            from,
            report,
            admission: None,
            admission_message: None,
            marker,
            began_ns,
            ended_ns,
            counts: vec![],
            traces: vec![],
            loads: vec![],
        }
    }

    /// Whether a time with a resolution of milliseconds is within the call.
    pub(super) fn includes(&self, time: Timestamp) -> bool {
        const MILLISECOND: i128 = 1_000_000;
        let time = time.as_nanosecond();
        (i128::from(self.began_ns) - MILLISECOND..=i128::from(self.ended_ns)).contains(&time)
    }
}
