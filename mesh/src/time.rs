//! Durations as manifests write them.

use std::time::Duration;

/// A duration as Go writes it (`time.ParseDuration`): `10s`, `100ms`, `1h30m`. Nothing if it is none, or negative.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let nanoseconds = u64::try_from(go_nanoseconds(text)?).ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// A duration as Go writes it (`time.ParseDuration`), in nanoseconds.
pub(crate) fn go_nanoseconds(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        sum += number * unit;
        rest = &rest[end..];
    }
    let sum = sum.round() as i128;
    Some(if negative { -sum } else { sum })
}
