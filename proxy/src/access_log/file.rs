//! Log files: each is appended to by one thread for all, so that no data thread ever waits for a disk.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

/// The log files of a proxy, by path: logs that name the same file share it.
#[derive(Clone, Debug)]
pub struct LogFiles {
    open: Arc<Mutex<HashMap<PathBuf, Arc<File>>>>,
    queue: Sender<Job>,
}

/// One open file.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    file: Arc<File>,
    queue: Sender<Job>,
}

#[derive(Debug)]
enum Job {
    Line(Arc<File>, String),
    Flush(Sender<()>),
}

impl LogFiles {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start() -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel();
        thread::Builder::new().name("access-log".into()).spawn(move || write(&jobs))?;
        Ok(Self { open: Arc::default(), queue })
    }

    /// Returns when every line so far is in its file.
    pub fn flush(&self) {
        let (done, wait) = mpsc::channel();
        if self.queue.send(Job::Flush(done)).is_ok() {
            let _ = wait.recv(); // an error means that the writer is gone, and nothing is left to wait for
        }
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
    pub(super) fn append(&self, line: String) {
        let _ = self.queue.send(Job::Line(self.file.clone(), line)); // the writer only ends with the process
    }
}

fn write(jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            // One write a line: `O_APPEND` keeps the lines of several writers whole. What a full disk or a reader that
            // went away costs is the line, not the proxy.
            Job::Line(file, line) => drop((&*file).write_all(line.as_bytes())),
            Job::Flush(done) => drop(done.send(())),
        }
    }
}
