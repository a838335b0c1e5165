//! A call that was made, and what its lab left behind.

use std::collections::BTreeMap;

use demo_apps::report::ClientReport;
use jiff::Timestamp;
use mesh::account::Admission;
use netns::TrackedConnections;
use observe::Flow;

use crate::access_log::Line;

/// What a lab left behind when all its calls had been made.
#[derive(Debug, Default)]
pub struct Observations {
    /// Every TCP connection, once for each interface that saw it.
    pub flows: Vec<Flow>,
    /// Where connections that came to a pod were sent by its redirects, by pod (`POD.NAMESPACE`).
    pub tracked: BTreeMap<String, TrackedConnections>,
    /// The sidecars' access logs, by pod (`POD.NAMESPACE`).
    pub logs: BTreeMap<String, Vec<Line>>,
    /// Packets that the capture lost; what was read may then be incomplete.
    pub dropped: u64,
}

/// A call that was made.
#[derive(Debug)]
pub struct MadeCall {
    /// Index of the calling pod in [`pods`](mesh::model::Resolved::pods).
    pub from: usize,
    /// What the client says of it.
    pub report: ClientReport,
    /// What came of it, where it was the call of a webhook.
    pub admission: Option<Admission>,
    /// What the API server says of it then, if it says anything.
    pub told: Option<String>,
    /// The mark that the client put into what it sent.
    pub marker: String,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When the client had ended, in nanoseconds since 1970.
    pub ended_ns: u64,
}

impl MadeCall {
    /// Whether a moment, told in milliseconds, is in the call's time.
    pub(super) fn includes(&self, time: Timestamp) -> bool {
        const MILLISECOND: i128 = 1_000_000;
        let time = time.as_nanosecond();
        (i128::from(self.began_ns) - MILLISECOND..=i128::from(self.ended_ns)).contains(&time)
    }
}
