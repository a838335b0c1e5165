//! Which of a pod's programs run, and how the others ended, in kubectl's terms.

use mesh::model::Pod;
use netns::{ExitRecord, ProcessRecord};

use crate::sidecar;

#[cfg(test)]
mod tests;

/// What the kernel's clock ticks in, in the times of processes (`USER_HZ`: 100 on every architecture that this runs on).
const TICKS_PER_SECOND: i64 = 100;

/// The current time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// In seconds since the Unix epoch.
    pub(crate) now: i64,
    /// In seconds since the kernel booted.
    pub(crate) since_boot: i64,
}

impl Clock {
    /// When a process started, in seconds since the Unix epoch.
    fn started(self, process: &ProcessRecord) -> i64 {
        let ticks = i64::try_from(process.start_time).unwrap_or(i64::MAX);
        self.now - self.since_boot + ticks / TICKS_PER_SECOND
    }
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running {
        /// In seconds since the Unix epoch.
        started: i64,
    },
    Ended {
        started: i64,
        /// In seconds since the Unix epoch; `None` if nobody saw it.
        finished: Option<i64>,
        /// 128 and the number of a signal that ended it; `None` if nobody saw it.
        code: Option<i32>,
    },
    /// Its program was never started.
    Missing,
}

impl State {
    /// Why it does not run, as the kubelet says it; `None` for a container that runs.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Running { .. } => None,
            Self::Ended { code: Some(0), .. } => Some("Completed"),
            Self::Ended { code: Some(_), .. } => Some("Error"),
            Self::Ended { code: None, .. } => Some("ContainerStatusUnknown"),
            Self::Missing => Some("ContainerCreating"),
        }
    }

    pub(crate) fn is_running(self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// A container, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerStatus {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) state: State,
    /// The running program's id.
    pub(crate) pid: Option<u32>,
    /// Whether it runs, and its readiness probe, if it has one, gets an answer from it: a program that is stopped gives none.
    pub(crate) is_ready: bool,
    /// How often its program was started again.
    pub(crate) restarts: usize,
}

/// A pod's containers in order, the sidecar last, as Istio's injection appends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodStatus {
    pub(crate) containers: Vec<ContainerStatus>,
}

impl PodStatus {
    /// The state of a pod, from what was started in its lab, and what is known of ends.
    pub(crate) fn new(pod: &Pod, started: &[ProcessRecord], exits: &[ExitRecord], clock: Clock) -> Self {
        let of_pod = pod.name.to_string();
        let programs = |names: &[&str]| -> Vec<&ProcessRecord> {
            started.iter().filter(|one| one.pod == of_pod && names.contains(&one.name.as_str())).collect()
        };
        let status = |name: &str, image: &str, is_probed: bool, programs: &[&ProcessRecord]| {
            let newest = programs.last();
            let state = newest.map_or(State::Missing, |process| state(process, exits, clock));
            let running = newest.filter(|_| matches!(state, State::Running { .. }));
            ContainerStatus {
                name: name.to_owned(),
                image: image.to_owned(),
                state,
                pid: running.map(|process| process.pid),
                is_ready: running.is_some_and(|process| !is_probed || !process.is_stopped()),
                restarts: programs.len().saturating_sub(1),
            }
        };
        let apps = pod.containers.iter().map(|one| {
            let is_probed = one.readiness.is_some();
            status(&one.name, &one.image, is_probed, &programs(&[&one.name]))
        });
        let sidecar = pod.sidecar.as_ref().map(|_| {
            let programs = programs(&sidecar::PROGRAMS);
            status(sidecar::CONTAINER, programs.last().map_or("", |process| &process.name), true, &programs)
        });
        Self { containers: apps.chain(sidecar).collect() }
    }

    /// How many containers are ready, and how many there are: the column READY.
    pub(crate) fn ready(&self) -> (usize, usize) {
        (self.containers.iter().filter(|one| one.is_ready).count(), self.containers.len())
    }

    /// How often its programs were started again.
    pub(crate) fn restarts(&self) -> usize {
        self.containers.iter().map(|one| one.restarts).sum()
    }

    /// The phase of a pod whose containers nothing starts again by itself (`restartPolicy: Never`), as the lab's are.
    pub(crate) fn phase(&self) -> &'static str {
        let has = |is: fn(State) -> bool| self.containers.iter().any(|one| is(one.state));
        match () {
            () if has(|state| state == State::Missing) => "Pending",
            () if has(State::is_running) => "Running",
            () if has(|state| !matches!(state, State::Ended { code: Some(0), .. })) => "Failed",
            () => "Succeeded",
        }
    }

    /// The column STATUS (kubernetes: `printPod` in `pkg/printers/internalversion/printers.go`): the reason of the first container that
    /// does not run, else the phase. One that has completed beside others that run makes the pod NotReady.
    pub(crate) fn text(&self) -> &'static str {
        let reason = self.containers.iter().find_map(|one| one.state.reason());
        match (reason, self.ready()) {
            (Some("Completed"), (1.., _)) => "NotReady",
            (Some(reason), _) => reason,
            (None, _) => self.phase(),
        }
    }

    /// When its first program started, in seconds since the Unix epoch.
    pub(crate) fn started(&self) -> Option<i64> {
        let starts = self.containers.iter().filter_map(|one| match one.state {
            State::Running { started } | State::Ended { started, .. } => Some(started),
            State::Missing => None,
        });
        starts.min()
    }

    /// Whether a container has ended without anybody having reported how.
    pub(crate) fn has_unknown_end(&self) -> bool {
        self.containers.iter().any(|one| matches!(one.state, State::Ended { code: None, .. }))
    }
}

fn state(process: &ProcessRecord, exits: &[ExitRecord], clock: Clock) -> State {
    let started = clock.started(process);
    if process.is_running() {
        return State::Running { started };
    }
    let of_process = |exit: &&ExitRecord| exit.pid == process.pid && exit.start_time == process.start_time;
    let exit = exits.iter().find(of_process);
    State::Ended { started, finished: exit.and_then(|exit| exit.at.try_into().ok()), code: exit.map(|exit| exit.code) }
}
