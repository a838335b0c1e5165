//! Keeps the logs of a lab that stays up from filling `/run`: each keeps its newest lines.
//!
//! Programs, including Envoy, append to their logs directly. The oldest part of a log that is too long is returned to the file system
//! as a hole (fallocate(2), `FALLOC_FL_PUNCH_HOLE`), so no line written meanwhile is lost, and readers keep their position. A line at the
//! end of the hole reports the cut.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, OFlag, fallocate},
    unistd::{Whence, lseek},
};

#[cfg(test)]
mod tests;

/// How much of a log is kept when it is cut, in bytes.
const KEPT: u64 = 8 << 20;

/// How much disk space a log can use before it is cut, in bytes.
const MOST: u64 = 2 * KEPT;

/// The block size: only whole blocks are returned.
const BLOCK: u64 = 4096;

/// Shortens each of these logs that is too long. Called about once a second: what a program writes in between comes on top.
pub(crate) fn shorten_all(logs: &[PathBuf]) {
    for log in logs {
        if let Err(error) = shorten(log) {
            tracing::warn!("{} can't be kept short: {error}", log.display());
        }
    }
}

/// The files that grow in a lab: program output, access logs and key logs.
pub(crate) fn logs(lab: &Path) -> Vec<PathBuf> {
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

/// Returns the oldest part of a log to the file system if the log is too long.
fn shorten(path: &Path) -> io::Result<()> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let found = file.metadata()?;
    // In units of 512 bytes on every file system (stat(2)).
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
    // The rest of older lines between the hole and the note.
    file.write_all_at(&vec![0; (word_at % BLOCK) as usize], word_at - word_at % BLOCK)?;
    file.write_all_at(word.as_bytes(), word_at)
}

/// The offset of the first line to keep, and the note written before it. `#` starts a comment in key logs, too.
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

/// The offset of a log's first line: after the hole, if there is one.
///
/// # Errors
/// If it can't be read.
pub(crate) fn beginning(file: &File) -> io::Result<u64> {
    let data = match lseek(file, 0, Whence::SeekData) {
        // Only a hole, or empty.
        Err(Errno::ENXIO) => return Ok(file.metadata()?.len()),
        found => u64::try_from(found?).unwrap_or_default(),
    };
    let mut block = vec![0; BLOCK as usize];
    let read = file.read_at(&mut block, data)?;
    let zeros = block[..read].iter().take_while(|byte| **byte == 0).count();
    Ok(data + zeros as u64)
}
