//! How long a bench takes, and on what it spends the time.

use std::time::Duration;

use super::{measure::Measure, setup::Setup};

/// How many samples are taken at most where round trips that are always as long are most of what is measured.
const FAR: usize = 5;

/// How long measuring may take, and what it is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// All rounds together, with the warm-up.
    pub budget: Duration,
    /// About how long a sample takes: the clocks are fine against it, and yet there are many rounds.
    pub sample: Duration,
    /// How many samples of idle connections are taken at most: they differ little, and each costs a lab of its own.
    pub idle: usize,
    /// How many rounds are measured, whatever they take. One alone has no interval.
    pub least: usize,
}

impl Pace {
    /// For a first answer.
    pub const QUICK: Self =
        Self { budget: Duration::from_secs(60), sample: Duration::from_millis(150), idle: 2, least: 2 };

    /// For narrow intervals.
    pub fn of(budget: Duration) -> Self {
        Self { budget, sample: Duration::from_millis(350), idle: 3, least: 1 }
    }

    /// How many samples of a figure are taken at most: more say nothing new.
    pub(super) fn rounds(&self, measure: Measure, setup: Setup) -> usize {
        match measure {
            Measure::Idle => self.idle,
            _ if setup.rtt > Duration::ZERO => FAR,
            _ => usize::MAX,
        }
    }
}
