//! A thread that starts all processes.
//!
//! The kernel's parent-death signal is about the parent's *thread*: a process started by a short-lived thread would be killed when
//! that thread exits. So one thread that lives as long as the lab's handles starts them all.

use std::{
    io,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

type Job = Box<dyn FnOnce() + Send>;

/// A handle of the thread, which exits when this is dropped.
#[derive(Debug)]
pub(crate) struct Spawner {
    jobs: Mutex<mpsc::Sender<Job>>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, received) = mpsc::channel::<Job>();
        thread::Builder::new().name("spawner".to_owned()).spawn(move || received.into_iter().for_each(|job| job()))?;
        Ok(Self { jobs: Mutex::new(jobs) })
    }

    /// Runs `job` on the thread, and waits for its result.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let (give, taken) = mpsc::sync_channel(1);
        let ended = || io::Error::other("the thread that starts processes has ended");
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            // The caller may have stopped waiting.
            .send(Box::new(move || drop(give.send(job()))))
            .map_err(|_| ended())?;
        taken.recv().unwrap_or_else(|_| Err(ended()))
    }
}
