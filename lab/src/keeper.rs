//! The process that stays behind a command whose programs outlive it.
//!
//! Only its parent learns how a program ends, so `sidelab up` splits in two: the front returns to the shell, and the back, which
//! started the lab's programs, stays as long as the lab: it records the programs' ends, keeps their logs short, and removes the lab when
//! its time is over. An `apply` that starts pods splits in the same way.

use std::{
    io::{PipeReader, PipeWriter, Read, Write},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use netns::{ExitRecord, Lab, ProcessRecord};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getppid, setsid},
};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

use crate::{interrupt, log_keeper, log_times::LogTimes, name_server, sys};

/// How often logs are checked.
const EVERY: Duration = Duration::from_secs(1);

/// The two processes that a command becomes.
pub(crate) enum Side {
    /// The one that was started; the command ends with this exit code.
    Front(u8),
    /// The one that does the work.
    Back(Keeper),
}

/// The process that does a command's work, and may stay.
pub(crate) struct Keeper {
    /// Where the front waits for the exit code.
    front: PipeWriter,
}

/// Splits this process, which must have a single thread, or be about to. Signals that the front gets are passed on, and the back ends with the front
/// until it is [released](Keeper::release).
///
/// # Errors
/// If the kernel can't.
pub(crate) fn split() -> Result<Side> {
    wait_for_threads();
    let (code, front) = std::io::pipe().context("can't make a pipe")?;
    let this = Pid::this();
    if let Some(back) = sys::fork().context("can't split the process")? {
        drop(front);
        return wait_for(back, code).map(Side::Front);
    }
    // Ctrl-C reaches the front alone, which passes it on.
    setsid().context("can't start a session")?;
    // What the front passes on counts, even in a shell's background, whose programs start with these ignored.
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        sys::end_by(signal).context("can't be interrupted")?;
    }
    prctl::set_pdeathsig(Signal::SIGKILL).context("can't follow the command's end")?;
    if getppid() != this {
        std::process::exit(1);
    }
    Ok(Side::Back(Keeper { front }))
}

/// Gives threads of handles that were dropped, such as those of an opened lab, the time to end.
fn wait_for_threads() {
    let deadline = Instant::now() + EVERY;
    while sys::threads() != 1 && Instant::now() < deadline {
        interrupt::pause(Duration::from_millis(1));
    }
}

/// The exit code of the command: what the back reports, else that with which it ends.
fn wait_for(back: Pid, mut code: PipeReader) -> Result<u8> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]).context("can't handle Ctrl-C")?;
    let pass_on = move || {
        for signal in signals.forever() {
            // Fails if it has just ended.
            let _ = Signal::try_from(signal).map(|signal| kill(back, signal));
        }
    };
    thread::Builder::new().name("signals".into()).spawn(pass_on).context("can't handle Ctrl-C")?;
    let mut reported = [0];
    if code.read(&mut reported).context("can't wait for the command's work")? == 1 {
        return Ok(reported[0]);
    }
    Ok(match waitpid(back, None).context("can't wait for the command's work")? {
        WaitStatus::Exited(_, code) => u8::try_from(code).unwrap_or(u8::MAX),
        WaitStatus::Signaled(_, signal, _) => 128 + signal as u8,
        _ => u8::MAX,
    })
}

impl Keeper {
    /// Lets the command end with this code; the process goes on without it, its terminal and its streams.
    ///
    /// # Errors
    /// If the streams can't be left: then the command has not ended.
    fn release(mut self, code: u8) -> Result<()> {
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").context("can't open /dev/null")?;
        nix::unistd::dup2_stdin(&null)?;
        nix::unistd::dup2_stdout(&null)?;
        nix::unistd::dup2_stderr(&null)?;
        std::env::set_current_dir("/").context("can't leave the current folder")?;
        prctl::set_pdeathsig(None).context("can't outlive the command")?;
        // The front may have been killed at this moment: the lab is up nevertheless.
        let _ = self.front.write_all(&[code]);
        Ok(())
    }

    /// Lets the command end, and stays as long as the lab, or until its time is over: then it removes the lab.
    ///
    /// # Errors
    /// If the lab is gone.
    pub(crate) fn stay(self, lab: &str, time: Option<Duration>) -> Result<()> {
        let end = time.map(|time| Instant::now() + time);
        let lab = Lab::open(lab)?;
        // In a namespace of the lab, so that it ends with the lab.
        lab.pod(name_server::POD)?.join()?;
        watch_children(Lab::open(lab.id())?)?;
        // Others of the same user find an ordinary user's lab by this process's namespaces, which the kernel hides after the privileges
        // changed (proc_pid_ns(5), ptrace(2): access mode checking).
        prctl::set_dumpable(true).context("can't show the lab's namespaces")?;
        self.release(0)?;
        let mut times = LogTimes::default();
        while lab.dir().is_dir() {
            let logs = log_keeper::logs(lab.dir());
            times.note(lab.dir(), &logs);
            log_keeper::shorten_all(&logs);
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            // Fails if another process removes it at the same time, or if something of it can't be removed yet.
            if left == Some(Duration::ZERO) && netns::sweep(lab.id()).is_ok() {
                return Ok(());
            }
            interrupt::pause(left.filter(|left| !left.is_zero()).map_or(EVERY, |left| left.min(EVERY)));
        }
        Ok(())
    }

    /// Lets the command end with this code, and stays until the programs that it started have ended.
    ///
    /// # Errors
    /// If the lab is gone.
    pub(crate) fn stay_with_programs(self, lab: &Lab, code: u8) -> Result<()> {
        lab.pod(name_server::POD)?.join()?;
        self.release(code)?;
        let mut signals = Signals::new([SIGCHLD]).context("can't watch programs")?;
        while reap(lab) {
            signals.wait();
        }
        Ok(())
    }
}

/// Records the end of this process's children, on a thread.
fn watch_children(lab: Lab) -> Result<()> {
    let mut signals = Signals::new([SIGCHLD]).context("can't watch programs")?;
    let watch = move || {
        reap(&lab);
        for _ in signals.forever() {
            reap(&lab);
        }
    };
    thread::Builder::new().name("children".into()).spawn(watch).context("can't watch programs")?;
    Ok(())
}

/// Records the end of the children that have ended. Returns whether there are others.
fn reap(lab: &Lab) -> bool {
    loop {
        let (pid, code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, code),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(WaitStatus::StillAlive) => return true,
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(_) => return false,
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Ok(processes) = lab.processes() else { continue };
        let started = processes.into_iter().rev().find(|process| process.pid == pid.as_raw().cast_unsigned());
        if let Some(ProcessRecord { pid, start_time, .. }) = started {
            // Fails if the lab is being removed.
            let _ = lab.record_exit(ExitRecord { pid, start_time, code, at });
        }
    }
}
