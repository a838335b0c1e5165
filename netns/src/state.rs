//! A lab's state file: its parts, one JSON value a line, each recorded before the part is created.
//!
//! It is append-only: a line that SIGKILL cut short then belongs to a part that was not created.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::{
    NodeSpec, PodSpec,
    error::{Doing, Error, Result},
};

#[cfg(test)]
mod tests;

/// One line of the state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// The first line.
    Lab {
        name: Option<String>,
        /// Pid of the creating process.
        creator: u32,
        stays_up: bool,
        node: NodeSpec,
    },
    /// A namespace is about to be mounted on `path`, and linked as `name` for `ip netns`.
    Namespace { name: String, path: PathBuf },
    /// A pod is about to be created, with its folder.
    Pod(PodSpec),
    /// A pod is about to be removed, by its name. Another of that name may follow.
    PodGone(String),
    /// A program is about to be started in a pod.
    Program { pod: String, name: String },
    /// The program was started.
    Process(ProcessRecord),
    /// A process has ended, as its parent saw it.
    Exited(ExitRecord),
    /// The lab outlives its creator.
    LeftUp,
}

/// A process that was started in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The name of the pod that it runs in.
    pub pod: String,
    /// The name of its [`Program`](crate::Program).
    pub name: String,
    /// Process id, in the pid namespace of the creator.
    pub pid: u32,
    /// Start time in clock ticks since boot. Together with the pid it identifies a process uniquely.
    pub start_time: u64,
}

impl ProcessRecord {
    /// Whether this very process still runs.
    pub fn is_running(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_time == self.start_time && stat.state != 'Z')
    }

    /// Whether this very process is stopped by SIGSTOP.
    pub fn is_stopped(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.start_time == self.start_time && stat.state == 'T')
    }
}

/// How a process in a pod ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Its process id.
    pub pid: u32,
    /// Its start time in clock ticks since boot, as in its [`ProcessRecord`].
    pub start_time: u64,
    /// Its exit code; 128 and the signal's number if a signal ended it, as container runtimes report it.
    pub code: i32,
    /// When its end was noticed, in seconds since the Unix epoch.
    pub at: u64,
}

/// The pods of a lab, in the order in which they were created.
pub(crate) fn pods(entries: &[Entry]) -> Vec<&PodSpec> {
    let mut pods: Vec<&PodSpec> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Pod(spec) => pods.push(spec),
            Entry::PodGone(name) => pods.retain(|pod| pod.name != *name),
            _ => {}
        }
    }
    pods
}

/// The processes that were started in the pods that exist, in the order in which they were started.
pub(crate) fn processes(entries: Vec<Entry>) -> Vec<ProcessRecord> {
    let mut processes: Vec<ProcessRecord> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Process(process) => processes.push(process),
            Entry::PodGone(name) => processes.retain(|process| process.pod != name),
            _ => {}
        }
    }
    processes
}

/// Start time of a process in clock ticks since boot, which is known until its parent has waited for it.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    Stat::read(pid).map(|stat| stat.start_time)
}

/// Whether there is a process of this id that has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(|stat| stat.state != 'Z')
}

/// Fields of a process's status, from proc_pid_stat(5).
struct Stat {
    /// Such as R for running, T for stopped, Z for a zombie.
    state: char,
    /// In clock ticks since boot.
    start_time: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain anything; field 3, the state, follows it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        // Field 22.
        Some(Self { state, start_time: fields.nth(18)?.parse().ok()? })
    }
}

/// Upper bound for the length of the first line, in bytes: a lab's name is at most a path.
const LONGEST_FIRST: u64 = 64 << 10;

/// The state file, opened for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Name of the state file in a lab's folder.
    pub(crate) const FILE: &str = "state.jsonl";

    /// Creates the state file of a new lab.
    pub(crate) fn create(lab: &Path) -> Result<Self> {
        Self::open_with(lab, File::options().create_new(true))
    }

    /// Opens the state file in a lab's folder.
    pub(crate) fn open(lab: &Path) -> Result<Self> {
        Self::open_with(lab, &mut File::options())
    }

    fn open_with(lab: &Path, options: &mut OpenOptions) -> Result<Self> {
        let path = Self::path(lab);
        let file = options.append(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path).doing_to("open", &path)?;
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Whether a folder has a state file, a regular one rather than a link, that starts like a lab's.
    pub(crate) fn begins(lab: &Path) -> bool {
        let path = Self::path(lab);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let first = || BufReader::new(File::open(&path).ok()?.take(LONGEST_FIRST)).lines().next()?.ok();
        is_file && first().is_some_and(|line| matches!(serde_json::from_str(&line), Ok(Entry::Lab { .. })))
    }

    pub(crate) fn record(&self, entry: &Entry) -> Result<()> {
        let mut line =
            serde_json::to_vec(entry).map_err(std::io::Error::from).doing_to("write an entry of", &self.path)?;
        line.push(b'\n');
        // A single write, so that lines of several writers do not mix. The kernel keeps what a killed process wrote.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).doing_to("write", &self.path)
    }

    /// Reads the entries of a lab. An incomplete last line is ignored.
    pub(crate) fn read(lab: &Path) -> Result<Vec<Entry>> {
        let path = Self::path(lab);
        let text = fs::read_to_string(&path).doing_to("read", &path)?;
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_str(line).map_err(|source| Error::BadState {
                    path: path.clone(),
                    line: index + 1,
                    source,
                })
            })
            .collect()
    }

    fn path(lab: &Path) -> PathBuf {
        lab.join(Self::FILE)
    }
}
