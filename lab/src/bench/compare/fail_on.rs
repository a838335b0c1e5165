//! When a comparison fails: `worse`, or `worse=5%`.

use std::{fmt, str::FromStr};

use super::{Change, Compared, Comparison};
use crate::bench::figures::Better;

/// Fails on figures that are worse beyond noise, and by at least this share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailOn {
    at_least: f64,
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || "expected worse, or worse=5% for figures that are worse by at least 5 %".to_owned();
        let share = match text.split_once('=') {
            None if text == "worse" => return Ok(Self { at_least: 0.0 }),
            Some(("worse", share)) => share,
            _ => return Err(usage()),
        };
        let percent = share.strip_suffix('%').ok_or_else(|| format!("{share:?} is not a share: write worse=5%"))?;
        match percent.trim_end().parse::<f64>() {
            Ok(percent) if (0.0..=10_000.0).contains(&percent) => Ok(Self { at_least: percent / 100.0 }),
            _ => Err(usage()),
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at_least > 0.0 {
            write!(f, "worse by {} % or more", self.at_least * 100.0)
        } else {
            f.write_str("worse")
        }
    }
}

impl Compared {
    /// By what share it is worse: of 1.2 times the time, and of 0.8 times the rate, by 0.2.
    fn worse_by(&self) -> f64 {
        match self.figure.better() {
            Better::Less => self.ratio.value - 1.0,
            Better::More => 1.0 - self.ratio.value,
        }
    }

    /// One line, such as `mesh: new connections, p50 (native): 1200 -> 1500 µs, +25 %`.
    pub fn summary(&self) -> String {
        let Self { layering, measure, figure, setup, unit, values: [first, second], ratio, .. } = self;
        let decimals = figure.decimals(*measure);
        format!(
            "{layering}: {measure}, {} ({setup}): {first:.decimals$} -> {second:.decimals$} {unit}, {:+.0} %",
            figure.name(*measure),
            (ratio.value - 1.0) * 100.0
        )
    }
}

impl Comparison {
    /// The figures for which it fails.
    pub fn failing(&self, on: FailOn) -> Vec<&Compared> {
        let fails = |compared: &&Compared| compared.change == Change::Worse && compared.worse_by() >= on.at_least;
        self.figures.iter().filter(fails).collect()
    }
}
