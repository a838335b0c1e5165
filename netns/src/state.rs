//! A lab's state file: what it consists of, one JSON value a line, each written before the thing is made.
//!
//! Append-only, because a line that was cut short by SIGKILL then stands for a thing that was not made.

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
        /// The process that made it.
        creator: u32,
        stays_up: bool,
        node: NodeSpec,
    },
    /// A namespace is about to be mounted on `path`, and linked as `name` where `ip netns` looks.
    Namespace { name: String, path: PathBuf },
    /// A pod is about to be made, with a folder of its own.
    Pod(PodSpec),
    /// A program is about to be started in a pod.
    Program { pod: String, name: String },
    /// It was started.
    Process(ProcessRecord),
    /// The lab outlives its creator.
    LeftUp,
}

/// A process that was started in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// The pod's name.
    pub pod: String,
    /// The program's name in the lab.
    pub name: String,
    /// Process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot: with the pid it names one process for good.
    pub start_time: u64,
}

impl ProcessRecord {
    /// Whether this very process still runs.
    pub fn is_running(&self) -> bool {
        start_time(self.pid) == Some(self.start_time)
    }
}

/// When a process started, in clock ticks since boot. `None` when there is none, or when it has ended and waits to be reaped.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc_pid_stat(5): the name, in parentheses, may hold anything; what follows starts with field 3, the state.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    // Field 22.
    fields.nth(18)?.parse().ok()
}

/// The longest first line, in bytes: a lab's name is a path at most.
const LONGEST_FIRST: u64 = 64 << 10;

/// The state file, open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// The state file's name in a lab's folder.
    pub(crate) const FILE: &str = "state.jsonl";

    /// Makes the state file of a new lab.
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

    /// Whether a folder has a state file, a file and no link to one, that begins as a lab's does.
    pub(crate) fn begins(lab: &Path) -> bool {
        let path = Self::path(lab);
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let first = || BufReader::new(File::open(&path).ok()?.take(LONGEST_FIRST)).lines().next()?.ok();
        is_file && first().is_some_and(|line| matches!(serde_json::from_str(&line), Ok(Entry::Lab { .. })))
    }

    /// Appends one entry.
    pub(crate) fn record(&self, entry: &Entry) -> Result<()> {
        let mut line =
            serde_json::to_vec(entry).map_err(std::io::Error::from).doing_to("write an entry of", &self.path)?;
        line.push(b'\n');
        // One write, so that lines of several writers do not mix. The kernel keeps what a killed process wrote.
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line).doing_to("write", &self.path)
    }

    /// Reads the entries of a lab. A last line without its end is left out.
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
