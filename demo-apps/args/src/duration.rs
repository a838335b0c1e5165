//! Durations on a command line: `30s`, `1m30s`, `200ms`, `500us`. `sidelab` accepts the same format.

use std::time::Duration;

use jiff::SignedDuration;

#[cfg(test)]
mod tests;

/// Maximum duration, a year. Adding much more to a clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Parses a duration with a unit. 0 needs none.
///
/// # Errors
/// If it is not a duration, lacks a unit, is negative, or is longer than a year. The error explains the format.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.parse::<f64>().is_ok_and(|number| number >= 0.0) {
        return Err(format!("a time needs a unit: write {text}s, {text}ms or {text}us"));
    }
    let time = text.parse::<SignedDuration>().map_err(|_| "expected a time, such as 30s, 1m30s or 200ms".to_owned())?;
    up_to_a_year(time.try_into().map_err(|_| "a time is not negative".to_owned())?)
}

/// Parses a duration, or a bare number of seconds.
///
/// # Errors
/// As [`parse`], except that the unit is optional.
pub fn parse_or_seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(time) => up_to_a_year(time),
        None => parse(text),
    }
}

/// Parses a limit: a duration, or a bare number of seconds, greater than 0.
///
/// # Errors
/// As [`parse_or_seconds`], and if it is 0.
pub fn parse_limit(text: &str) -> Result<Duration, String> {
    match parse_or_seconds(text)? {
        Duration::ZERO => Err("expected a time of more than 0, such as 30s or 200ms".to_owned()),
        time => Ok(time),
    }
}

fn up_to_a_year(time: Duration) -> Result<Duration, String> {
    if time <= LONGEST { Ok(time) } else { Err("a time is at most a year (8760h)".to_owned()) }
}
