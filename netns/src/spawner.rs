//! A thread that starts all processes.
//!
//! The kernel's parent-death signal is about the parent's *thread*: a process started by a short-lived thread would be killed when
//! that thread exits. So one thread that lives as long as the lab's handles starts them all.

use std::{
    io,
    os::fd::AsFd,
    process::Child,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout},
    sched::CloneFlags,
    unistd::Pid,
};

use crate::sys;

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

/// Starts a process in a new PID namespace, on a thread that ends with it: a thread can create only one such namespace.
pub(crate) fn run_apart(start: impl FnOnce() -> io::Result<Child> + Send + 'static) -> io::Result<Child> {
    let (give, taken) = mpsc::sync_channel(1);
    thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        let started = nix::sched::unshare(CloneFlags::CLONE_NEWPID).map_err(io::Error::from).and_then(|()| start());
        let watched =
            started.as_ref().ok().and_then(|child| sys::pidfd_open(Pid::from_raw(child.id().cast_signed())).ok());
        // The caller may have stopped waiting.
        drop(give.send(started));
        if let Some(process) = watched {
            let mut end = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            while nix::poll::poll(&mut end, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
        }
    })?;
    taken.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that starts a process has ended")))
}
