//! Log files: each is appended to by one thread for all, so that no data thread ever waits for a disk.
//!
//! A first line is written at once. The lines that come while that thread then rests are written together: waking it for
//! each would cost as much as serving a short connection.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

#[cfg(test)]
mod tests;

/// How long a line may wait for others.
const REST: Duration = Duration::from_millis(10);

/// The log files of a proxy, by path: logs that name the same file share it.
#[derive(Clone, Debug)]
pub struct LogFiles {
    open: Arc<Mutex<HashMap<PathBuf, Arc<File>>>>,
    queue: Arc<Queue>,
}

/// One open file.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    file: Arc<File>,
    queue: Arc<Queue>,
}

/// What is to be written.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines, by file in the order of their first.
    lines: Vec<(Arc<File>, Vec<u8>)>,
    /// Who waits until they are written.
    flushes: Vec<Sender<()>>,
    /// Whether the writer looks again by itself.
    resting: bool,
}

impl LogFiles {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start() -> io::Result<Self> {
        let queue = Arc::<Queue>::default();
        let work = queue.clone();
        thread::Builder::new().name("access-log".into()).spawn(move || work.write())?;
        Ok(Self { open: Arc::default(), queue })
    }

    /// Returns when every line so far is in its file.
    pub fn flush(&self) {
        let (done, wait) = mpsc::channel();
        self.queue.lock().flushes.push(done);
        self.queue.changed.notify_one();
        let _ = wait.recv(); // an error means that the writer is gone, and nothing is left to wait for
    }

    pub(super) fn open(&self, path: &Path) -> io::Result<LogFile> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match open.get(path) {
            Some(file) => file.clone(),
            None => {
                let file = Arc::new(OpenOptions::new().create(true).append(true).open(path)?);
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
        let is_first = waiting.lines.is_empty();
        match waiting.lines.iter_mut().find(|(file, _)| Arc::ptr_eq(file, &self.file)) {
            Some((_, lines)) => lines.extend_from_slice(line.as_bytes()),
            None => waiting.lines.push((self.file.clone(), line.into())),
        }
        // With the others the writer was woken already, or looks by itself.
        if is_first && !waiting.resting {
            self.queue.changed.notify_one();
        }
    }
}

impl Queue {
    /// Writes what there is, as long as the process lives.
    fn write(&self) {
        loop {
            let idle = |waiting: &mut Waiting| waiting.lines.is_empty() && waiting.flushes.is_empty();
            let mut waiting = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
            let (lines, flushes) = (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.flushes));
            waiting.resting = true;
            drop(waiting);
            for (file, lines) in lines {
                // `O_APPEND` keeps the lines of several writers whole. What a full disk or a reader that went away costs
                // are these lines, not the proxy.
                let _ = (&*file).write_all(&lines);
            }
            for done in flushes {
                let _ = done.send(());
            }
            let resting = self.changed.wait_timeout_while(self.lock(), REST, |waiting| waiting.flushes.is_empty());
            let (mut waiting, _) = resting.unwrap_or_else(PoisonError::into_inner);
            waiting.resting = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
