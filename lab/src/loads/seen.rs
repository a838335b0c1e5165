//! What a load's requests and the packets of its pod show of one step.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use demo_apps::report::RequestReport;
use observe::Flow;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A load in a step, as its app and the packets between the pods show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LoadSeen {
    pub name: String,
    /// Requests that ended in the step.
    pub requests: usize,
    /// Those that failed.
    pub failed: usize,
    /// Requests that began after the last change.
    pub requests_after: usize,
    /// Those that failed.
    pub failed_after: usize,
    /// From the beginning of the first change to the end of the first request that failed, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure_ms: Option<u64>,
    /// How requests failed, and how often, the most frequent first.
    pub errors: Vec<String>,
    /// Bytes that the app sent and received, inside its TLS.
    pub sent: u64,
    pub received: u64,
    /// The load's connections that left its pod, and were open in the step.
    pub connections: usize,
    /// Those that were open from before the first change until after the last one.
    pub kept: usize,
    /// How many changes were made.
    pub changes: usize,
    /// How many different certificates of servers the connections opened in the step show that no earlier one has shown.
    pub new_certificates: usize,
    /// After how many of the changes all connections showed only certificates, of clients and servers, that none had shown before.
    pub renewals: usize,
}

/// A step of a scenario: times in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) began_ns: u64,
    /// When each change began, and when every sidecar had taken it.
    pub(crate) changes: Vec<(u64, u64)>,
    pub(crate) ended_ns: u64,
}

impl Step {
    /// When the first change began; the beginning if there is none.
    fn first_change_ns(&self) -> u64 {
        self.changes.first().map_or(self.began_ns, |(began, _)| *began)
    }

    /// When the last change was done; the beginning if there is none.
    fn last_done_ns(&self) -> u64 {
        self.changes.last().map_or(self.began_ns, |(_, done)| *done)
    }

    /// After each change, the time in which no other one was under way.
    fn between(&self) -> impl Iterator<Item = Range<u64>> {
        let next = self.changes.iter().skip(1).map(|(began, _)| *began).chain([self.ended_ns]);
        self.changes.iter().zip(next).map(|((_, done), next)| *done..next)
    }
}

/// A connection of a load, as its pod's `eth0` saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Time of the first packet, in nanoseconds since 1970.
    pub(crate) first_ns: u64,
    /// Time of the last one.
    pub(crate) last_ns: u64,
    /// When both sides had chosen their certificates; the time of the first packet if there is no TLS.
    pub(crate) chosen_ns: u64,
    /// SHA-256 of the client's certificate in the outermost TLS layer.
    pub(crate) client: Option<String>,
    /// SHA-256 of the server's.
    pub(crate) server: Option<String>,
}

impl Connection {
    pub(crate) fn new(flow: &Flow) -> Self {
        let tls = flow.content.tls().next();
        let client = tls.and_then(|tls| Some(tls.client_certificate.as_ref()?.sha256.clone()));
        let server = tls.and_then(|tls| Some(tls.server_certificate.as_ref()?.sha256.clone()));
        let chosen_ns = tls.and_then(|tls| tls.answered_ns).unwrap_or(flow.first_ns);
        Self { first_ns: flow.first_ns, last_ns: flow.last_ns, chosen_ns, client, server }
    }
}

/// What a load shows of a step.
pub(crate) fn seen(name: &str, step: &Step, requests: &[RequestReport], connections: &[Connection]) -> LoadSeen {
    let within = || requests.iter().filter(|one| (step.began_ns..=step.ended_ns).contains(&one.ended_ns));
    let after = || within().filter(|one| one.began_ns >= step.last_done_ns());
    let first_failure = within().filter(|one| one.failed()).map(|one| one.ended_ns).min();
    let (first, last) = (step.first_change_ns(), step.last_done_ns());
    let open = || connections.iter().filter(|one| one.first_ns <= step.ended_ns && one.last_ns >= step.began_ns);
    let (new_certificates, renewals) = certificates(step, connections);
    LoadSeen {
        name: name.to_owned(),
        requests: within().count(),
        failed: within().filter(|one| one.failed()).count(),
        requests_after: after().count(),
        failed_after: after().filter(|one| one.failed()).count(),
        first_failure_ms: first_failure.map(|at| at.saturating_sub(first) / 1_000_000),
        errors: errors(within()),
        sent: within().map(|one| one.sent).sum(),
        received: within().map(|one| one.received).sum(),
        connections: open().count(),
        kept: open().filter(|one| one.first_ns < first && one.last_ns > last).count(),
        changes: step.changes.len(),
        new_certificates,
        renewals,
    }
}

/// The kinds of failure with their numbers, the most frequent first.
fn errors<'a>(requests: impl Iterator<Item = &'a RequestReport>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests.filter(|one| one.failed()) {
        let kind = match (&request.error, request.status) {
            (Some(failure), _) => failure.kind.name().replace('_', " "),
            (None, Some(status)) => format!("status {status}"),
            (None, None) => continue,
        };
        *counts.entry(kind).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().map(|(kind, count)| format!("{count}x {kind}")).collect()
}

/// How many certificates of servers are new in a step, and after how many of its changes all of both sides were.
fn certificates(step: &Step, connections: &[Connection]) -> (usize, usize) {
    // Which of two certificates a connection shows that was opened before a change and chose one during it is left to chance.
    let opened = |when: Range<u64>| -> Vec<&Connection> {
        let is_in = |one: &&Connection| when.start <= one.first_ns && one.chosen_ns < when.end;
        connections.iter().filter(|one| is_in(one) && one.server.is_some()).collect()
    };
    let mut known: BTreeSet<&String> = each(&opened(0..step.first_change_ns())).collect();
    let in_step = opened(step.first_change_ns()..step.ended_ns);
    let servers: BTreeSet<&String> = in_step.iter().filter_map(|one| one.server.as_ref()).collect();
    let new = servers.difference(&known).count();
    let mut renewals = 0;
    for when in step.between() {
        let opened = opened(when);
        renewals += usize::from(!opened.is_empty() && each(&opened).all(|one| !known.contains(one)));
        known.extend(each(&opened));
    }
    (new, renewals)
}

/// Each certificate that connections show.
fn each<'a>(connections: &[&'a Connection]) -> impl Iterator<Item = &'a String> {
    connections.iter().flat_map(|one| [&one.client, &one.server]).flatten()
}

impl fmt::Display for LoadSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, failed, requests_after, failed_after, kept, connections, .. } = self;
        match failed {
            0 => write!(f, "{requests} requests, none failed")?,
            _ => write!(
                f,
                "{failed} of {requests} requests failed, {failed_after} of {requests_after} after the change"
            )?,
        }
        if let Some(first) = self.first_failure_ms {
            write!(f, ", the first after {first} ms")?;
        }
        if !self.errors.is_empty() {
            write!(f, " ({})", self.errors.join("; "))?;
        }
        write!(f, "; {kept} of {connections} connections stayed open")?;
        if self.renewals > 0 || self.new_certificates > 0 {
            write!(f, "; new certificates after {} of {} changes", self.renewals, self.changes)?;
        }
        Ok(())
    }
}
