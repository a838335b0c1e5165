//! One measure of one layering under one setup, over all rounds.

use std::time::Duration;

use anyhow::Result;

use super::{
    layering::Layering,
    measure::{Dose, Measure},
    pace::Pace,
    rig::Rig,
    sample::Sample,
    series::{Failed, Series},
    setup::Setup,
    stats::Estimate,
};

/// How much of a CPU others can use during a sample before it is repeated.
pub(super) const QUIET: f64 = 0.15;

/// How often a disturbed sample is taken before it counts anyway.
const ATTEMPTS: usize = 3;

/// The half width of a 95 % interval, as a share of the figure, that is precise enough.
const SURE: f64 = 0.03;

/// The minimum number of samples of a precise figure.
const ENOUGH: usize = 5;

/// One measure of one layering under one setup.
pub(super) struct Cell<'a> {
    pub(super) rig: &'a Rig<'a>,
    pub(super) layering: &'a Layering,
    pub(super) setup: Setup,
    pub(super) measure: Measure,
    /// How long its last step took.
    pub(super) took: Duration,
    /// The maximum number of samples.
    rounds: usize,
    /// The size of a sample, determined by [`calibrate`](Self::calibrate).
    dose: Dose,
    samples: Vec<Sample>,
    /// Why it ended early, if it did.
    failed: Option<String>,
}

impl<'a> Cell<'a> {
    pub(super) fn new(rig: &'a Rig<'a>, layering: &'a Layering, setup: Setup, measure: Measure, pace: &Pace) -> Self {
        let rounds = pace.rounds(measure, setup);
        let took = Duration::ZERO;
        Self { rig, layering, setup, measure, took, rounds, dose: Dose::default(), samples: Vec::new(), failed: None }
    }

    /// Determines the size of a sample that takes `lasting`.
    pub(super) fn calibrate(&mut self, lasting: Duration) -> Result<()> {
        self.dose = self.measure.calibrate(self.rig, self.layering, self.setup, lasting)?;
        Ok(())
    }

    /// Takes a sample, and repeats it while others use the machine, as long as `may_retake` allows.
    pub(super) fn take(&mut self, may_retake: impl Fn() -> bool) -> Result<()> {
        let mut best: Option<Sample> = None;
        for _ in 0..ATTEMPTS {
            let sample = self.measure.sample(self.rig, self.layering, self.setup, self.dose)?;
            if best.as_ref().is_none_or(|best| sample.foreign < best.foreign) {
                best = Some(sample);
            }
            if !may_retake() || best.as_ref().is_some_and(|best| best.foreign <= QUIET) {
                break;
            }
        }
        self.samples.extend(best);
        Ok(())
    }

    /// Ends the cell with an error.
    pub(super) fn fail(&mut self, why: &anyhow::Error) {
        self.failed = Some(format!("{why:#}"));
    }

    /// Whether another sample in this round, counted from 0, is useful.
    pub(super) fn wants(&self, round: usize) -> bool {
        self.failed.is_none() && round < self.rounds
    }

    /// Whether its interval is narrow enough, or will not become narrower.
    pub(super) fn is_done(&self) -> bool {
        self.failed.is_some() || self.samples.len() >= self.rounds || self.is_sure()
    }

    fn is_sure(&self) -> bool {
        let value: Vec<f64> = self.samples.iter().map(|sample| self.measure.headline(sample)).collect();
        let estimate = Estimate::from_medians(&[&value], |medians| medians[0]);
        value.len() >= ENOUGH && estimate.is_some_and(|estimate| estimate.spread() <= SURE)
    }

    /// The results, and why there are no more.
    pub(super) fn into_series(self) -> (Option<Series>, Option<Failed>) {
        let Self { layering, setup, measure, dose, samples, failed, .. } = self;
        let layering = layering.name.clone();
        let failed = failed.map(|why| Failed { layering: layering.clone(), setup, measure, why });
        let Dose { operations, offered } = dose;
        let series = Series { layering, setup, measure, operations, offered, samples };
        (Some(series).filter(|series| !series.samples.is_empty()), failed)
    }
}
