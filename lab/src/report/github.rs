//! Annotations for GitHub Actions: lines that its runner shows beside the file (`::error file=...::message`).

use std::{fmt, path::PathBuf};

use super::failure::{self, Place};
use crate::{run_report::RunReport, scenario::Scenario};

#[cfg(test)]
mod tests;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It failed.
    Error,
    /// It may be wrong.
    Warning,
}

/// One annotation; as text it is one line, without its end.
///
/// The form is that of GitHub's workflow commands; what is escaped is what its runner unescapes
/// (`actions/runner`, `src/Runner.Common/ActionCommand.cs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// How much it matters.
    pub level: Level,
    /// What it stands beside: a file, and a line of it from 1.
    pub place: Option<(PathBuf, usize)>,
    /// Its head.
    pub title: String,
    /// What it says; may have several lines.
    pub message: String,
}

impl fmt::Display for Annotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "::{level} ")?;
        if let Some((file, line)) = &self.place {
            write!(f, "file={},line={line},", property(&file.display().to_string()))?;
        }
        write!(f, "title={}::{}", property(&self.title), data(&self.message))
    }
}

/// Text as it stands after the `::`.
pub(crate) fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as it stands in a property, such as `file=`.
pub(crate) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// An error for each call of a run that went otherwise than it should, a line each.
pub fn render(run: &RunReport, scenarios: &[Scenario]) -> String {
    let failed = run.probes.iter().filter(|probe| !probe.verdict.agrees);
    let annotation = |probe| Annotation {
        level: Level::Error,
        place: Place::of(probe, scenarios).map(|Place { file, line }| (file, line)),
        title: failure::title(probe),
        message: failure::disagreements(probe).join("\n"),
    };
    failed.map(|probe| format!("{}\n", annotation(probe))).collect()
}
