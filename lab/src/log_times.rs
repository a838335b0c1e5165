//! When the logs of a lab grew: their lines have no times that hold for all programs, so the lab's keeper notes how long each log is.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The folder of the notes in a lab's: a file for each log, with a line `SECONDS LENGTH` each time that the log had grown.
const FOLDER: &str = "log-times";

/// Notes how long logs are.
#[derive(Default)]
pub(crate) struct LogTimes {
    noted: HashMap<PathBuf, u64>,
}

impl LogTimes {
    /// Notes the length of each of these logs that has grown.
    pub(crate) fn note(&mut self, lab: &Path, logs: &[PathBuf]) {
        for log in logs {
            let Ok(length) = fs::metadata(log).map(|file| file.len()) else { continue };
            if self.noted.insert(log.clone(), length) != Some(length)
                && let Err(error) = append(lab, log, length)
            {
                tracing::warn!("the time of {} can't be noted: {error}", log.display());
            }
        }
    }
}

fn append(lab: &Path, log: &Path, length: u64) -> io::Result<()> {
    let notes = notes_of(lab, log);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(lab.join(FOLDER))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    File::options().create(true).append(true).mode(0o600).open(notes)?.write_all(format!("{now} {length}\n").as_bytes())
}

/// The file of a log's notes.
fn notes_of(lab: &Path, log: &Path) -> PathBuf {
    let name = log.strip_prefix(lab).unwrap_or(log).to_string_lossy().replace('/', "%");
    lab.join(FOLDER).join(name)
}

/// Where in a log the lines of the last `time` begin: up to a second earlier, never later. 0 if nothing older was noted.
pub(crate) fn begin_of_last(lab: &Path, log: &Path, time: Duration) -> u64 {
    let notes = fs::read_to_string(notes_of(lab, log)).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    begin_after(&notes, now.saturating_sub(time).as_secs())
}

fn begin_after(notes: &str, seconds: u64) -> u64 {
    let notes = notes.lines().filter_map(|line| {
        let (at, length) = line.split_once(' ')?;
        Some((at.parse::<u64>().ok()?, length.parse::<u64>().ok()?))
    });
    notes.take_while(|(at, _)| *at < seconds).last().map_or(0, |(_, length)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_where_the_log_ended_before_that_time() {
        let notes = "100 10\n103 30\n107 55\n";
        let begins = [99, 100, 101, 103, 104, 107, 108].map(|seconds| begin_after(notes, seconds));
        assert_eq!(begins, [0, 0, 10, 10, 30, 30, 55]);
        assert_eq!(begin_after("", 100), 0, "a log that nobody noted is shown whole");
    }

    #[test]
    fn a_log_is_noted_when_it_has_grown() {
        let lab = tempfile::tempdir().unwrap();
        let log = lab.path().join("logs/client.default/app.log");
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        let mut times = LogTimes::default();
        for content in ["one\n", "one\n", "one\ntwo\n"] {
            fs::write(&log, content).unwrap();
            times.note(lab.path(), std::slice::from_ref(&log));
        }
        let notes = fs::read_to_string(notes_of(lab.path(), &log)).unwrap();
        let lengths: Vec<_> = notes.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(lengths, ["4", "8"]);
    }
}
