//! The programs of a deployed lab, and what is recorded while they run.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, thread, time::Duration};

use anyhow::{Context, Result};
use mesh::model::Pod;
use netns::{Capture, Captured, InterfaceId, Process, Tracking};

use crate::{
    access_log::{self, Line},
    container,
    sidecar::Folders,
};

/// How long a program can take to end after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// The running programs of a lab, its captures, and the logs of pods that are gone.
#[derive(Default)]
pub(crate) struct Programs {
    /// By pod, `POD.NAMESPACE`.
    sidecars: BTreeMap<String, Process>,
    apps: Vec<Process>,
    /// One for the first pods, and one for those of each change. Empty if nothing is captured.
    watches: Vec<Watch>,
    records: Records,
}

/// The programs of a pod that was started.
pub(crate) struct StartedPod {
    pub(super) sidecar: Option<Process>,
    pub(super) apps: Vec<Process>,
}

/// What a lab's programs and connections left behind.
#[derive(Default)]
pub(super) struct Records {
    /// The TLS keys, as `SSLKEYLOGFILE` has them.
    pub(super) secrets: String,
    /// The access logs of sidecars, by pod.
    pub(super) logs: BTreeMap<String, Vec<Line>>,
}

/// Observes the connections of some pods.
struct Watch {
    capture: Capture,
    /// `None` if the kernel does not report connections.
    tracking: Option<Tracking>,
}

impl Programs {
    /// Watches the connections of pods from now on.
    ///
    /// # Errors
    /// If packets can't be captured.
    pub(crate) fn watch(&mut self, pods: &[netns::Pod]) -> Result<()> {
        let tracking = Tracking::start(pods);
        if let Err(error) = &tracking {
            tracing::warn!("redirects are read only from logs: {error}");
        }
        self.watches.push(Watch { capture: Capture::start(pods)?, tracking: tracking.ok() });
        Ok(())
    }

    /// Whether connections are watched.
    pub(crate) fn is_watched(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Adds programs, instead of those that they replace.
    pub(crate) fn add(&mut self, started: StartedPod) {
        let is_new = |app: &Process| started.apps.iter().any(|new| (new.pod(), new.name()) == (app.pod(), app.name()));
        self.apps.retain(|app| !is_new(app));
        if let Some(sidecar) = started.sidecar {
            self.sidecars.insert(sidecar.pod().to_owned(), sidecar);
        }
        self.apps.extend(started.apps);
    }

    pub(super) fn add_app(&mut self, app: Process) {
        self.apps.push(app);
    }

    /// The sidecar of a pod, `POD.NAMESPACE`.
    pub(super) fn sidecar(&self, pod: &str) -> Option<&Process> {
        self.sidecars.get(pod)
    }

    pub(super) fn sidecars(&self) -> impl Iterator<Item = &Process> {
        self.sidecars.values()
    }

    /// The first app of a pod, `POD.NAMESPACE`.
    pub(super) fn app(&self, pod: &str) -> Option<&Process> {
        self.apps.iter().find(|app| app.pod() == pod)
    }

    /// Ends the programs of a pod, and keeps its logs, which are removed with it.
    ///
    /// # Errors
    /// If a log can't be read.
    pub(crate) fn end(&mut self, host: &netns::Pod, pod: &Pod) -> Result<()> {
        let (ending, others) = std::mem::take(&mut self.apps).into_iter().partition(|app| app.pod() == host.name());
        self.apps = others;
        let mut ending: Vec<Process> = ending;
        let has_sidecar = self.sidecars.contains_key(host.name());
        ending.extend(self.sidecars.remove(host.name()));
        terminate(&ending);
        self.records.read(host, pod, has_sidecar)
    }

    /// Ends all programs, so that all logs are written, and reads those of the pods.
    ///
    /// # Errors
    /// If a log can't be read.
    pub(super) fn finish<'a>(&mut self, pods: impl Iterator<Item = (&'a netns::Pod, &'a Pod)>) -> Result<Records> {
        terminate(self.sidecars.values().chain(&self.apps));
        for (host, pod) in pods {
            self.records.read(host, pod, self.sidecars.contains_key(host.name()))?;
        }
        Ok(std::mem::take(&mut self.records))
    }

    /// All packets and tracked connections. `None` if nothing was captured.
    pub(super) fn captured(&mut self) -> Option<(Captured, BTreeMap<String, netns::TrackedConnections>)> {
        let mut watches = std::mem::take(&mut self.watches).into_iter();
        let Watch { capture, tracking } = watches.next()?;
        let mut captured = capture.stop();
        let mut tracked = tracking.map(|tracking| tracking.take()).unwrap_or_default();
        for Watch { capture, tracking } in watches {
            append(&mut captured, capture.stop());
            for (pod, more) in tracking.map(|tracking| tracking.take()).unwrap_or_default() {
                let of_pod = tracked.entry(pod).or_default();
                of_pod.connections.extend(more.connections);
                of_pod.incomplete |= more.incomplete;
            }
        }
        captured.packets.sort_by_key(|packet| packet.timestamp);
        Some((captured, tracked))
    }
}

impl Records {
    fn read(&mut self, host: &netns::Pod, pod: &Pod, has_sidecar: bool) -> Result<()> {
        for container in &pod.containers {
            self.secrets.push_str(&read_if_there(&container::Files::new(host, &container.name).key_log())?);
        }
        if has_sidecar {
            let folders = Folders::new(host);
            self.secrets.push_str(&read_if_there(&folders.key_log())?);
            let lines = access_log::read(&read_if_there(&folders.access_log())?);
            self.logs.entry(host.name().to_owned()).or_default().extend(lines);
        }
        Ok(())
    }
}

fn terminate<'a>(processes: impl IntoIterator<Item = &'a Process>) {
    thread::scope(|scope| {
        for process in processes {
            scope.spawn(|| process.terminate(GRACE));
        }
    });
}

/// Adds the packets of other interfaces.
fn append(captured: &mut Captured, more: Captured) {
    let first = captured.interfaces.len();
    captured.interfaces.extend(more.interfaces);
    captured.dropped.extend(more.dropped);
    captured.packets.extend(more.packets.into_iter().map(|mut packet| {
        packet.interface = InterfaceId(packet.interface.0 + first);
        packet
    }));
}

fn read_if_there(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        result => result.with_context(|| format!("can't read {}", path.display())),
    }
}
