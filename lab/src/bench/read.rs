//! Reads what `sidelab bench --json FILE` wrote.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::report::{BenchReport, SCHEMA};

#[cfg(test)]
mod tests;

/// How to create such a file.
const FIX: &str = "`sidelab bench --json FILE` writes one";

/// Reads a bench, and recomputes its conclusions from the samples.
///
/// # Errors
/// If the file can't be read, or is not a bench; names file, field and fix.
pub fn read(path: &Path) -> Result<BenchReport> {
    let text = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &[u8]) -> Result<BenchReport> {
    if text.trim_ascii().is_empty() {
        bail!("is empty, as if the bench did not finish; {FIX}");
    }
    let value: Value = serde_json::from_slice(text).with_context(|| format!("is not JSON; {FIX}"))?;
    match value.get("schema") {
        Some(Value::String(schema)) if schema == SCHEMA => {}
        Some(Value::String(schema)) => bail!("schema: is {schema}, not {SCHEMA}; {FIX}"),
        _ => bail!("schema: is missing, so this is not a bench; {FIX}"),
    }
    let mut report: BenchReport = serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, what) = (error.path().to_string(), error.into_inner());
        anyhow::anyhow!("{path}: {what}; was it written by another version? measure again: {FIX}")
    })?;
    report.conclude();
    Ok(report)
}
