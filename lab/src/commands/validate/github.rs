//! Annotations of GitHub Actions
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message>).

use mesh::{Fault, Severity};

use super::text;
use crate::report::github::{data, property};

/// A workflow command that marks the fault's line.
pub(super) fn annotation(fault: &Fault) -> String {
    let level = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut command = format!("::{level} file={}", property(&fault.source.file));
    if let Some(place) = fault.place {
        command.push_str(&format!(",line={},col={}", place.line, place.column));
    }
    format!("{command}::{}", data(&text(fault)))
}
