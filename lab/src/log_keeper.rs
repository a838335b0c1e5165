//! Keeps the logs of a lab that stays up from filling `/run`: each keeps its newest lines.
//!
//! Programs append to their logs themselves, Envoy among them, so nothing stands between. The oldest part of a log that has grown too
//! long is given back to the file system as a hole (fallocate(2), `FALLOC_FL_PUNCH_HOLE`): no line that comes meanwhile is lost, and
//! whoever reads goes on reading where it was. A line where the hole ends says so.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use netns::{Pod, Process, Program, Start};
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, OFlag, fallocate},
    poll::PollTimeout,
    unistd::{Whence, lseek},
};

#[cfg(test)]
mod tests;

/// The command by which the program is its own log keeper.
pub(crate) const COMMAND: &str = "keep-logs";

/// What of a log is kept when it has grown too long, in bytes.
const KEPT: u64 = 8 << 20;

/// How much of the disk a log may take before that, in bytes.
const MOST: u64 = 2 * KEPT;

/// How often they are looked at: what a program writes in that time comes on top.
const EVERY: Duration = Duration::from_secs(1);

/// A block, of which only whole ones are given back.
const BLOCK: u64 = 4096;

/// Has the logs of the lab in this folder kept short, by a process in one of its pods, which ends with the lab.
///
/// # Errors
/// When it can't be started.
pub(crate) fn start(pod: &Pod, lab: &Path) -> Result<Process> {
    let program = std::env::current_exe().context("can't find this program")?;
    let program = Program::new("log-keeper", program, [COMMAND.as_ref(), lab.as_os_str()]);
    Ok(pod.start(&program, &Start::default())?)
}

/// Keeps the logs of the lab in this folder short until it is gone.
pub(crate) fn keep(lab: &Path) {
    while lab.is_dir() {
        for log in logs(lab) {
            if let Err(error) = shorten(&log) {
                tracing::warn!("{} can't be kept short: {error}", log.display());
            }
        }
        // Signals end it, and nothing else is waited for.
        let _ = nix::poll::poll(&mut [], PollTimeout::try_from(EVERY).unwrap_or(PollTimeout::MAX));
    }
}

/// What grows in a lab: what programs print, access logs, and key logs.
fn logs(lab: &Path) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> = entries(&lab.join("logs")).flat_map(|pod| entries(&pod)).collect();
    for pod in entries(&lab.join("pods")) {
        logs.extend(entries(&pod.join("log")));
        logs.extend(entries(&pod.join("containers")).map(|container| container.join("keys.log")));
    }
    logs
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Gives the oldest part of a log back, if it has grown too long.
fn shorten(path: &Path) -> io::Result<()> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let found = file.metadata()?;
    // In units of 512 bytes, whatever the file system's own (stat(2)).
    if !found.is_file() || found.blocks() * 512 <= MOST || found.len() <= KEPT {
        return Ok(());
    }
    let (cut, word) = cut(&file, found.len())?;
    let word_at = cut - word.len() as u64;
    let hole = word_at - word_at % BLOCK;
    if hole > 0 {
        let hole = hole.try_into().map_err(io::Error::other)?;
        fallocate(&file, FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, hole)?;
    }
    // What is left of older lines between the hole and the word.
    file.write_all_at(&vec![0; (word_at % BLOCK) as usize], word_at - word_at % BLOCK)?;
    file.write_all_at(word.as_bytes(), word_at)
}

/// Where the first line begins that is kept, and what is written before it. `#` begins a comment in key logs, too.
fn cut(file: &File, length: u64) -> io::Result<(u64, String)> {
    let from = length - KEPT;
    let mut after = vec![0; 64 << 10];
    let read = file.read_at(&mut after, from)?;
    let line_end = after[..read].iter().position(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    let cut = from + line_end;
    Ok((
        cut,
        format!("\n# sidelab: {cut} bytes of older lines were dropped; a log keeps its newest {} MiB\n", KEPT >> 20),
    ))
}

/// Where a log's lines begin: behind the hole, if there is one.
///
/// # Errors
/// When it can't be read.
pub(crate) fn beginning(file: &File) -> io::Result<u64> {
    let data = match lseek(file, 0, Whence::SeekData) {
        // Nothing but a hole, or nothing at all.
        Err(Errno::ENXIO) => return Ok(file.metadata()?.len()),
        found => u64::try_from(found?).unwrap_or_default(),
    };
    let mut block = vec![0; BLOCK as usize];
    let read = file.read_at(&mut block, data)?;
    let zeros = block[..read].iter().take_while(|byte| **byte == 0).count();
    Ok(data + zeros as u64)
}
