//! `sidelab delay`.

use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use netns::Lab;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{OK, labs};
use crate::{cli::DelayArgs, interrupt::UntilInterrupted, terminal::outln};

pub(super) fn delay(args: &DelayArgs) -> Result<u8> {
    let id = labs::select(args.lab.lab.as_deref())?;
    let lab = Lab::open(&id)?;
    let mut turn = Turn::open(&lab)?;
    if args.rtt.is_zero() {
        match turn.end_the_other()? {
            true => outln!("lab {id} is no longer delayed")?,
            false => outln!("no `sidelab delay` is running in lab {id}")?,
        }
        return Ok(OK);
    }
    turn.take().with_context(|| format!("lab {id}"))?;
    let end = UntilInterrupted::new()?;
    let delay = lab.delay(args.rtt / 2)?;
    outln!("each round trip between pods of lab {id} takes {:?} longer, until Ctrl-C", args.rtt)?;
    end.wait();
    drop(delay);
    outln!("lab {id} is no longer delayed")?;
    Ok(OK)
}

/// The right to delay packets: a file of the lab that the one process doing so locks, with its pid in it.
struct Turn {
    path: PathBuf,
    file: File,
}

impl Turn {
    fn open(lab: &Lab) -> Result<Self> {
        let path = lab.dir().join("delay");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        Ok(Self { file: file.with_context(|| format!("can't open {}", path.display()))?, path })
    }

    /// Takes the lock until this process ends.
    fn take(&mut self) -> Result<()> {
        if self.is_taken()? {
            bail!("another `sidelab delay` is running; end it first: `sidelab delay 0`");
        }
        self.file.set_len(0)?;
        Ok(write!(self.file, "{}", std::process::id())?)
    }

    /// Ends the process that holds the lock, and waits for it. Returns whether there was one.
    fn end_the_other(&mut self) -> Result<bool> {
        if !self.is_taken()? {
            return Ok(false);
        }
        let text = fs::read_to_string(&self.path)?;
        // Written as soon as the lock is taken.
        let process: i32 = text.parse().with_context(|| format!("{} is damaged", self.path.display()))?;
        let process = Pid::from_raw(process);
        kill(process, Signal::SIGTERM).with_context(|| format!("can't end process {process}"))?;
        let _ = kill(process, Signal::SIGCONT); // if Ctrl-Z has stopped it
        self.file.lock()?;
        Ok(true)
    }

    /// Whether another process has the lock; if not, this one takes it.
    fn is_taken(&self) -> Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("can't lock {}", self.path.display()))
            }
        }
    }
}
