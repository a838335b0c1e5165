//! How long a bench takes, and how it spends the time.

use std::time::Duration;

use super::{measure::Measure, setup::Setup};

/// The maximum number of samples if constant round trips dominate the result.
const FAR: usize = 5;

/// How long measuring can take, and how the time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time for all rounds, including the warm-up.
    pub budget: Duration,
    /// The approximate duration of a sample: long compared with clock resolution, short enough for many rounds.
    pub sample: Duration,
    /// The maximum number of samples of idle connections: they vary little, and each needs a separate lab.
    pub idle: usize,
    /// The minimum number of rounds. A single one has no interval.
    pub least: usize,
}

impl Pace {
    /// The pace of a quick bench.
    pub const QUICK: Self =
        Self { budget: Duration::from_secs(60), sample: Duration::from_millis(150), idle: 2, least: 2 };

    /// The pace for a budget.
    pub fn for_budget(budget: Duration) -> Self {
        Self { budget, sample: Duration::from_millis(350), idle: 3, least: 1 }
    }

    /// The maximum number of samples of a figure.
    pub(super) fn rounds(&self, measure: Measure, setup: Setup) -> usize {
        match measure {
            Measure::Idle => self.idle,
            _ if setup.rtt > Duration::ZERO => FAR,
            _ => usize::MAX,
        }
    }
}
