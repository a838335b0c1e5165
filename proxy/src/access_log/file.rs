//! Log files. A single thread appends to all of them, so that workers never wait for a disk.
//!
//! The first line is written at once. Lines that arrive while that thread then pauses are written together: a wake-up for each
//! would cost as much as serving a short connection. Lines that can't be written (full disk, file size limit, hanging disk) are
//! dropped and counted; traffic never waits for them.

mod lines;

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use crate::{
    logging::Seldom,
    stats::{Counter, Scope, Stats},
};
use lines::Lines;

#[cfg(test)]
mod tests;

/// How long the writer pauses, and so the maximum delay of a line.
const REST: Duration = Duration::from_millis(10);
/// Maximum size of all queued lines, in bytes.
const MOST_WAITING: usize = 64 * 1024 * 1024;

/// The log files of a proxy, by path. Logs with the same path share a file.
#[derive(Clone, Debug)]
pub struct LogFiles {
    open: Arc<Mutex<HashMap<PathBuf, Arc<OpenFile>>>>,
    queue: Arc<Queue>,
}

/// An access log's handle of a file.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    file: Arc<OpenFile>,
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
}

/// Lines to be written.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Successful and failed writes: Envoy's counters (`envoy/filesystem`, `FILESYSTEM_STATS`).
    completed: Counter,
    failed: Counter,
    /// Dropped lines.
    lost: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines by file, in the order of their first line.
    lines: Vec<(Arc<OpenFile>, Vec<u8>)>,
    /// Total size of the lines, in bytes.
    bytes: usize,
    /// Notified when everything has been written.
    flushes: Vec<Sender<()>>,
    /// Whether the writer pauses and will look at the queue afterwards.
    resting: bool,
}

impl LogFiles {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub fn start(stats: &Stats) -> io::Result<Self> {
        let root = stats.scope(Scope::Root);
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            completed: root.counter("filesystem.write_completed"),
            failed: root.counter("filesystem.write_failed"),
            lost: root.counter("sidelab.access_log_lines_lost"),
        });
        let work = queue.clone();
        thread::Builder::new().name("access-log".into()).spawn(move || work.write())?;
        Ok(Self { open: Arc::default(), queue })
    }

    /// Returns once all lines so far have been written or dropped, or after this time: a pipe that nobody reads takes none.
    pub fn flush(&self, within: Duration) {
        let (done, wait) = mpsc::channel();
        self.queue.lock().flushes.push(done);
        self.queue.changed.notify_one();
        let _ = wait.recv_timeout(within); // another error means that the writer is gone
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<LogFile> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match open.get(path) {
            Some(file) => file.clone(),
            None => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                let file = Arc::new(OpenFile { path: path.to_owned(), file });
                open.insert(path.to_owned(), file.clone());
                file
            }
        };
        Ok(LogFile { file, queue: self.queue.clone() })
    }
}

impl LogFile {
    pub(super) fn append(&self, line: &str) {
        let mut waiting = self.queue.lock();
        if waiting.bytes + line.len() > MOST_WAITING {
            self.queue.lost.inc();
            return;
        }
        waiting.bytes += line.len();
        let is_first = waiting.lines.is_empty();
        match waiting.lines.iter_mut().find(|(file, _)| Arc::ptr_eq(file, &self.file)) {
            Some((_, lines)) => lines.extend_from_slice(line.as_bytes()),
            None => waiting.lines.push((self.file.clone(), line.into())),
        }
        // Otherwise the writer has been woken already, or looks at the queue after its pause.
        if is_first && !waiting.resting {
            self.queue.changed.notify_one();
        }
    }
}

impl Queue {
    /// Writes queued lines, for as long as the process lives.
    fn write(&self) {
        let mut torn = HashMap::new();
        loop {
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && waiting.flushes.is_empty();
            let mut waiting = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let (lines, flushes) = (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.flushes));
            waiting.bytes = 0;
            waiting.resting = true;
            drop(waiting);
            for (file, lines) in lines {
                let torn: &mut bool = torn.entry(file.path.clone()).or_default();
                self.record(&file.path, Lines::new(&lines, torn).write(&mut &file.file));
            }
            for done in flushes {
                let _ = done.send(());
            }
            let resting = self.changed.wait_timeout_while(self.lock(), REST, |waiting| waiting.flushes.is_empty());
            let (mut waiting, _) = resting.unwrap_or_else(PoisonError::into_inner);
            waiting.resting = false;
        }
    }

    fn record(&self, path: &Path, written: Result<(), lines::Lost>) {
        static LOST: Seldom = Seldom::new();
        let Err(lines::Lost { lines, error }) = written else { return self.completed.inc() };
        self.failed.inc();
        self.lost.add(lines);
        if let Some(left_out) = LOST.due() {
            tracing::warn!(file = %path.display(), %error, lines, left_out, "lines of an access log were dropped");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
