//! Annotations for GitHub Actions: lines that its runner shows next to the file (`::error file=...::message`).

use std::{fmt, path::PathBuf};

use super::failure::{self, Place};
use crate::{run_report::RunReport, scenario::Scenario};

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
}

/// One annotation; as text it is one line, without its end.
///
/// The form is that of GitHub's workflow commands; what is escaped is what its runner unescapes
/// (`actions/runner`, `src/Runner.Common/ActionCommand.cs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub level: Level,
    /// The file that it annotates, and a line from 1.
    pub place: Option<(PathBuf, usize)>,
    pub title: String,
    /// The text, possibly of several lines.
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

/// Escapes text after the `::`.
pub(crate) fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes text in a property, such as `file=`.
pub(crate) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// An error for each failed call of a run, one per line.
pub fn render(run: &RunReport, scenarios: &[Scenario]) -> String {
    let failed = run.probes.iter().filter(|probe| !probe.verdict.agrees);
    let annotation = |probe| Annotation {
        level: Level::Error,
        place: Place::find(probe, scenarios).map(|Place { file, line }| (file, line)),
        title: failure::title(probe),
        message: failure::disagreements(probe).join("\n"),
    };
    failed.map(|probe| format!("{}\n", annotation(probe))).collect()
}
