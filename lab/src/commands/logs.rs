//! `sidelab logs`: what a pod's programs have written, and keep writing.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{
    OK,
    inspect::{self, Chosen},
    opened::Opened,
};
use crate::{cli::LogsArgs, container, log_keeper, log_times, sidecar, terminal::print_bytes};

#[cfg(test)]
mod tests;

/// How much of a log is in memory at a time, in bytes.
const CHUNK: usize = 256 << 10;

pub(super) fn logs(args: &LogsArgs) -> Result<u8> {
    let opened = Opened::new(&args.lab)?;
    let (host, pod) = opened.pod(&args.pod, &args.namespace)?;
    let chosen = inspect::choose(pod, args.container.as_deref())?;
    if args.previous {
        bail!("previous terminated container {:?} in pod {:?} not found", chosen.name(), pod.name.name);
    }
    let files = match chosen {
        Chosen::Sidecar => sidecar::logs(&host),
        Chosen::Container(container) => vec![container::log(&host, &container.name)],
    };
    let mut logs = Vec::new();
    for path in &files {
        match Log::open(path) {
            Ok(mut log) => {
                if let Some(time) = args.since {
                    log.at = log.at.max(log_times::begin_of_last(opened.lab.dir(), path, time));
                }
                logs.push(log);
            }
            // A sidecar without traffic has no access log yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
        }
    }
    if logs.is_empty() {
        bail!(
            "{} has no such log ({})",
            pod.name,
            files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
        );
    }
    if let Some(lines) = args.tail {
        logs.iter_mut().try_for_each(|log| log.skip_to_last(lines)).context("can't read a log")?;
    }
    // Before the first read, so that nothing written meanwhile is missed.
    let watch = args.follow.then(|| watch(&files)).transpose().context("can't watch a log")?;
    loop {
        for log in &mut logs {
            if !log.print_what_is_new()? {
                return Ok(OK);
            }
        }
        match &watch {
            Some(watch) if logs.iter().any(Log::is_there) => drop(watch.read_events().context("can't watch a log")?),
            _ => return Ok(OK),
        }
    }
}

/// Watches files for writes and removal.
fn watch(files: &[PathBuf]) -> Result<Inotify> {
    let watch = Inotify::init(InitFlags::IN_CLOEXEC)?;
    for file in files.iter().filter(|file| file.exists()) {
        // Removing the last name of an open file is reported as an attribute change (inotify(7)).
        watch.add_watch(file, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_ATTRIB)?;
    }
    Ok(watch)
}

/// A log, and how far it was read.
struct Log {
    file: File,
    at: u64,
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let at = log_keeper::beginning(&file)?;
        Ok(Self { file, at })
    }

    /// Skips all but the last lines; an unterminated one counts.
    fn skip_to_last(&mut self, lines: u64) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if lines == 0 {
            self.at = end;
            return Ok(());
        }
        let (mut before, mut wanted) = (end, lines);
        let mut chunk = vec![0; CHUNK];
        while before > self.at {
            let from = before.saturating_sub(CHUNK as u64).max(self.at);
            let part = &mut chunk[..usize::try_from(before - from).unwrap_or(CHUNK)];
            self.file.read_exact_at(part, from)?;
            for (index, byte) in part.iter().enumerate().rev() {
                let after = from + index as u64 + 1;
                // The newline at the end does not begin a line.
                if *byte == b'\n' && after < end {
                    wanted -= 1;
                    if wanted == 0 {
                        self.at = after;
                        return Ok(());
                    }
                }
            }
            before = from;
        }
        Ok(())
    }

    /// Whether standard output still has a reader.
    fn print_what_is_new(&mut self) -> Result<bool> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = self.file.read_at(&mut chunk, self.at).context("can't read a log")?;
            if read == 0 {
                return Ok(true);
            }
            self.at += read as u64;
            if !print_bytes(&chunk[..read])? {
                return Ok(false);
            }
        }
    }

    /// Whether its lab still exists.
    fn is_there(&self) -> bool {
        self.file.metadata().is_ok_and(|file| file.nlink() > 0)
    }
}
