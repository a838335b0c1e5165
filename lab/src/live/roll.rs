//! Moves a sidecar's files into place step by step, as it takes them.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use mesh::rollout::{Files, Rollout, Step};
use netns::{Pod, Privilege};

use crate::{
    interrupt,
    sidecar::{self, Folders},
};

/// The time between two looks at a sidecar's counters.
const LOOK: Duration = Duration::from_millis(2);

/// How many sidecars get files at the same time.
pub(super) const AT_ONCE: usize = 16;

/// What a sidecar did with its new files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It counted every update, after this time.
    After(Duration),
    /// It refused an update: the counter that says so, and the end of its output.
    Refused { counter: String, output: String },
    /// It did not count these updates in time.
    NotYet(Vec<String>),
    /// It does not answer: it will read the files when it starts.
    DoesNotRun,
    /// It was not given them, since istiod is gone: the number of that fault.
    HeldBack(u32),
}

impl Taken {
    /// How long it took, if it took all of them.
    pub(crate) fn time(&self) -> Option<Duration> {
        match self {
            Self::After(time) => Some(*time),
            _ => None,
        }
    }
}

/// The files in a sidecar's folder, except for those named.
pub(super) fn files_of(host: &Pod, except: &[std::path::PathBuf]) -> Result<Files> {
    let root = Folders::new(host).config;
    let mut files = Files::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).unwrap_or(&path).to_owned();
            let is_file = path.extension().is_some_and(|extension| extension == "json");
            if is_file && !except.contains(&name) {
                files
                    .insert(name, fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?);
            }
        }
    }
    Ok(files)
}

/// Moves the files of each step into place once the sidecar has taken those of the step before, at the latest after `patience`.
///
/// # Errors
/// If a file can't be written; those of earlier steps stay.
pub(crate) fn roll(host: &Pod, rollout: &Rollout, privilege: Privilege, patience: Duration) -> Result<Taken> {
    let begun = Instant::now();
    let folders = Folders::new(host);
    let mut taken = Taken::After(Duration::ZERO);
    host.enter(|| -> Result<()> {
        for step in &rollout.steps {
            let before = counters();
            for (path, text) in &step.files {
                folders.replace(path, text, privilege)?;
            }
            let Ok(before) = before else {
                taken = Taken::DoesNotRun;
                continue;
            };
            // A sidecar that did not answer in time for one step gets the others nevertheless: it may be stopped.
            match until_counted(step, &before, begun + patience) {
                None => {}
                Some(Counted::Refused(counter)) => {
                    taken = Taken::Refused { counter, output: sidecar::output_of(host) };
                    return Ok(());
                }
                Some(Counted::NotYet(missing)) => taken = Taken::NotYet(missing),
            }
        }
        Ok(())
    })??;
    if !matches!(taken, Taken::Refused { .. }) {
        for path in &rollout.obsolete {
            remove(&folders.config.join(path))?;
        }
    }
    Ok(if taken == Taken::After(Duration::ZERO) { Taken::After(begun.elapsed()) } else { taken })
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

enum Counted {
    Refused(String),
    NotYet(Vec<String>),
}

/// Waits until a step's updates were counted; `None` once they were.
fn until_counted(step: &Step, before: &Counters, deadline: Instant) -> Option<Counted> {
    loop {
        let missing = match counters() {
            Ok(now) => match judge(step, before, &now) {
                Ok(missing) => missing,
                Err(counter) => return Some(Counted::Refused(counter)),
            },
            Err(_) => step.counted_by.clone(),
        };
        if missing.is_empty() {
            return None;
        }
        if Instant::now() >= deadline || interrupt::is_asked() {
            return Some(Counted::NotYet(missing));
        }
        interrupt::pause(LOOK);
    }
}

/// Counters of updates, by name with `_` for `:`.
type Counters = BTreeMap<String, u64>;

/// Asks the sidecar of the pod that the thread is in.
fn counters() -> std::io::Result<Counters> {
    sidecar::get("/stats?filter=update_").map(|text| parse(&text))
}

fn parse(stats: &str) -> Counters {
    sidecar::counters(stats).map(|(name, value)| (name.replace(':', "_"), value)).collect()
}

/// The updates of a step that are not counted yet. One that nothing had subscribed to before is not expected.
///
/// # Errors
/// The counter of one that was rejected.
fn judge(step: &Step, before: &Counters, now: &Counters) -> Result<Vec<String>, String> {
    let grew = |update: &str, suffix: &str| {
        let mut counters = named(now, update, suffix);
        let grown = counters.find(|(counter, value)| *value > before.get(*counter).copied().unwrap_or(0));
        grown.map(|(counter, _)| counter.to_owned())
    };
    let is_subscribed = |update: &&String| named(before, update, "update_success").next().is_some();
    let mut missing = Vec::new();
    for update in step.counted_by.iter().filter(is_subscribed) {
        if let Some(counter) = grew(update, "update_rejected") {
            return Err(counter);
        }
        if grew(update, "update_success").is_none() {
            missing.push(update.clone());
        }
    }
    Ok(missing)
}

/// The counters of an update, in whatever scope they are.
fn named<'c>(counters: &'c Counters, update: &str, suffix: &str) -> impl Iterator<Item = (&'c str, u64)> + use<'c> {
    let (whole, end) = (format!("{update}.{suffix}"), format!(".{update}.{suffix}"));
    let is_it = move |(counter, _): &(&str, u64)| *counter == whole || counter.ends_with(&end);
    counters.iter().map(|(counter, value)| (counter.as_str(), *value)).filter(is_it)
}

#[cfg(test)]
mod tests;
