//! Logging to standard error, filtered by `SIDELAB_LOG`, else by `RUST_LOG`.

use std::{env, io};

use anstream::{AutoStream, ColorChoice};
use thiserror::Error;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

#[cfg(test)]
mod tests;

/// The variables with the filter; the first that is set is used.
const VARIABLES: [&str; 2] = ["SIDELAB_LOG", "RUST_LOG"];

/// Quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A variable with an invalid filter.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{variable}: {part:?} is not a level{}; write {}, or a level for one part of the program, such as netns=debug",
    meant.map_or_else(String::new, |meant| format!(" (did you mean {meant}?)")),
    LEVELS.join(", ")
)]
pub struct BadFilter {
    variable: &'static str,
    part: String,
    meant: Option<&'static str>,
}

/// Starts logging, in colour if standard error supports it.
///
/// # Errors
/// If `SIDELAB_LOG`, or `RUST_LOG` if that is not set, is not a valid filter.
pub fn init() -> Result<(), BadFilter> {
    let filter = filter(|variable| env::var(variable).ok())?;
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(false)
        .with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never)
        .with_writer(io::stderr)
        // Reporting a failed write to standard error on standard error would panic.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}

/// The filter: a level for all, for targets (`netns=debug`), or both, with commas between them. Warnings by default.
fn filter(value_of: impl Fn(&str) -> Option<String>) -> Result<Targets, BadFilter> {
    let value_unless_blank = |variable| value_of(variable).filter(|text| !text.trim().is_empty());
    let Some((variable, text)) =
        VARIABLES.into_iter().find_map(|variable| Some((variable, value_unless_blank(variable)?)))
    else {
        return Ok(Targets::new().with_default(LevelFilter::WARN));
    };
    let mut filter = Targets::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let level: LevelFilter = level.parse().map_err(|_| BadFilter {
            variable,
            part: part.to_owned(),
            meant: mesh::nearest(level, LEVELS.into_iter()),
        })?;
        filter = match target {
            Some(target) => filter.with_target(target, level),
            None => filter.with_default(level),
        };
    }
    Ok(filter)
}
