//! Files with the `config_dump` of real sidecars.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use mesh::dump::{EnvoyDump, Runnable};

use crate::terminal::noteln;

/// Reads a sidecar's `config_dump` for a prediction, and reports what it leaves out.
///
/// # Errors
/// If the file can't be read, or is not a sidecar's dump.
pub(crate) fn read(path: &Path) -> Result<EnvoyDump> {
    let dump = EnvoyDump::parse(&text(path)?).with_context(|| path.display().to_string())?;
    for warning in &dump.warnings {
        noteln!("{}: warning: {warning}", path.display());
    }
    Ok(dump)
}

/// Reads a sidecar's `config_dump` for a lab.
///
/// # Errors
/// As [`read`], and if a lab can't run it.
pub(crate) fn read_runnable(path: &Path) -> Result<Runnable> {
    Runnable::parse(&text(path)?).with_context(|| path.display().to_string())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

/// Lists what a lab of dumped sidecars leaves out.
pub(crate) fn print_left_out(left_out: &[String]) {
    if left_out.is_empty() {
        return;
    }
    noteln!("what these dumps contain and the lab does not run:");
    for line in left_out {
        noteln!("  {line}");
    }
}
