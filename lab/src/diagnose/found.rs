//! What is found where a call is made, and the causes that it points to. Pure: the command reads the lab.

use std::net::SocketAddr;

use mesh::account::{Account, NoteKind};
use schemars::JsonSchema;
use serde::Serialize;

use super::predicted;
use crate::{
    access_log::Line,
    faults::LabFault,
    look::{
        age::age,
        secrets::{SecretItem, left},
        status::{PodStatus, State},
    },
};

#[cfg(test)]
mod tests;

/// Where something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FoundIn {
    /// What the configuration makes of the call.
    Prediction,
    /// The last line about such a call in a sidecar's access log.
    AccessLog,
    /// The state of a pod's programs.
    Program,
    /// The addresses on which a pod's programs listen.
    Socket,
    /// A certificate of a sidecar.
    Certificate,
    /// What `sidelab fault` has broken.
    Fault,
}

impl FoundIn {
    /// How much it weighs against other findings. A line of a log is another text, whose cause is a guess.
    pub(crate) fn weight(self) -> usize {
        if self == Self::AccessLog { 1 } else { 2 }
    }

    /// In words.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::AccessLog => "access log",
            Self::Program => "programs",
            Self::Socket => "ports",
            Self::Certificate => "certificates",
            Self::Fault => "fault",
        }
    }
}

/// A fact about a call's parties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Found {
    #[serde(rename = "in")]
    pub(crate) source: FoundIn,
    /// `POD.NAMESPACE`; left out for what is not of one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<String>,
    pub(crate) what: String,
    /// The short names of the causes that it points to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<&'static str>,
}

/// The cause that every fault which breaks calls is.
const IN_FORCE: &str = "fault-in-force";

impl Found {
    /// What is predicted of the call.
    pub(crate) fn predicted(account: &Account) -> Self {
        let outcome = &account.outcome;
        let end = match (outcome.at, outcome.reason) {
            (Some(at), Some(reason)) if !outcome.delivered => format!("refused at the {at}: {reason}"),
            _ => "delivered".to_owned(),
        };
        let deciding = account.steps.iter().rev().find(|step| Some(step.at) == outcome.at);
        let because = deciding.map_or_else(String::new, |step| {
            let source = step.source.as_ref().map_or_else(String::new, |source| format!(" ({source})"));
            format!(", because {}{source}", step.because)
        });
        let assumed = account.notes.iter().filter(|note| note.kind == NoteKind::Assumed);
        let assumed: String = assumed.map(|note| format!("; assumed: {}", note.text)).collect();
        Self {
            source: FoundIn::Prediction,
            pod: None,
            what: format!("{end}; the app sees {}{because}{assumed}", outcome.app_sees),
            causes: predicted::causes(account),
        }
    }

    /// The newest line of a sidecar's access log about such a call, with the causes that it points to. `now` is in seconds since the Unix
    /// epoch.
    pub(crate) fn logged(pod: &str, line: &Line, now: i64, causes: Vec<&'static str>) -> Self {
        let ago = line.start_time.map_or_else(String::new, |at| format!("{} ago: ", age(now - at.as_second())));
        let what = format!("{ago}{}", line.raw);
        Self { source: FoundIn::AccessLog, pod: Some(pod.to_owned()), what, causes }
    }

    /// A program that does not run, or is not ready. `is_caller`: of the calling pod.
    pub(crate) fn programs(pod: &str, status: &PodStatus, is_caller: bool, now: i64) -> Vec<Self> {
        let found = |what: String, is_sidecar: bool| Self {
            source: FoundIn::Program,
            pod: Some(pod.to_owned()),
            what,
            causes: match (is_sidecar, is_caller) {
                (true, true) => vec!["sidecar-not-ready"],
                (true, false) => vec!["nothing-listens"],
                (false, false) => vec!["nothing-listens", "app-closes"],
                (false, true) => vec![],
            },
        };
        let describe = |container: &crate::look::status::ContainerStatus| {
            let name = &container.name;
            let what = match container.state {
                State::Running { .. } if container.is_ready => return None,
                State::Running { .. } => format!("{name} is stopped"),
                State::Missing => format!("{name} was never started"),
                State::Ended { code, finished, .. } => {
                    let code = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
                    let ago = finished.map_or_else(String::new, |at| format!(", {} ago", age(now - at)));
                    format!("{name} has ended{code}{ago}")
                }
            };
            Some(found(what, name == crate::sidecar::CONTAINER))
        };
        status.containers.iter().filter_map(describe).collect()
    }

    /// Where a called pod listens, if not at its address on the port that is called. `listeners` are those of all its programs.
    pub(crate) fn listeners(pod: &str, port: u16, listeners: &[SocketAddr]) -> Option<Self> {
        let on_port: Vec<&SocketAddr> = listeners.iter().filter(|address| address.port() == port).collect();
        if on_port.iter().any(|address| !address.ip().is_loopback()) {
            return None;
        }
        let (what, cause) = match on_port.first() {
            Some(loopback) => (format!("port {port} is listened on at {loopback} only"), "app-on-loopback"),
            None => (format!("nothing listens on port {port}"), "nothing-listens"),
        };
        Some(Self { source: FoundIn::Socket, pod: Some(pod.to_owned()), what, causes: vec![cause] })
    }

    /// Certificates of a sidecar that are not valid now.
    pub(crate) fn certificates(pod: &str, secrets: &[SecretItem]) -> Vec<Self> {
        let all = secrets.iter().flat_map(|secret| secret.certificates.iter().map(move |one| (secret, one)));
        let expired = all.filter(|(_, certificate)| !certificate.valid);
        let found = |(secret, certificate): (&SecretItem, _)| Self {
            source: FoundIn::Certificate,
            pod: Some(pod.to_owned()),
            what: format!("{}: {}", secret.name, left(certificate)),
            causes: vec!["expired"],
        };
        expired.map(found).collect()
    }

    /// A fault that is in force.
    pub(crate) fn fault(fault: &LabFault) -> Self {
        let causes = match fault {
            LabFault::Partition(_) | LabFault::Drop { .. } => vec![IN_FORCE, "connect-timeout", "timeout"],
            LabFault::Stop(_) | LabFault::Throttle { .. } => vec![IN_FORCE, "timeout"],
            LabFault::Reset(_) | LabFault::Kill(_) => vec![IN_FORCE],
            // Sidecars keep what they have.
            LabFault::Istiod => vec![],
        };
        Self { source: FoundIn::Fault, pod: None, what: fault.to_string(), causes }
    }
}
