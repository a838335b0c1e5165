//! When which sample is taken.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::ProgressBar;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    cell::Cell,
    measure::Measure,
    pace::Pace,
    rtt::Ways,
    series::{Failed, Series},
};

/// Rounds that are being measured.
pub(super) struct Rounds<'a> {
    pace: Pace,
    progress: &'a ProgressBar,
    interrupted: &'a AtomicBool,
    /// Whether disturbed samples are taken anew. On a machine that others use all the time that would only cost time.
    retakes: bool,
    begun: Instant,
}

impl<'a> Rounds<'a> {
    /// Begins now.
    pub(super) fn new(pace: Pace, progress: &'a ProgressBar, interrupted: &'a AtomicBool, retakes: bool) -> Self {
        Self { pace, progress, interrupted, retakes, begun: Instant::now() }
    }

    /// Takes samples, round after round, until every figure is sure or the time is over.
    pub(super) fn measure(&self, mut cells: Vec<Cell<'_>>, ways: &mut Ways<'_>) -> (Vec<Series>, Vec<Failed>) {
        // The same order in every bench.
        let mut random = StdRng::seed_from_u64(0x5eed);
        for index in order(&cells, &mut random) {
            self.step("warming up", &mut cells[index], |cell| {
                ways.set(cell.setup.rtt)?;
                cell.calibrate(self.pace.sample)
            });
        }
        for round in 0.. {
            let due: Vec<usize> =
                order(&cells, &mut random).into_iter().filter(|index| cells[*index].wants(round)).collect();
            let due = if round < self.pace.least { due } else { self.affordable(due, &cells) };
            if due.is_empty() || self.is_interrupted() || cells.iter().all(Cell::is_done) {
                break;
            }
            for index in due {
                self.step(&format!("round {}", round + 1), &mut cells[index], |cell| {
                    ways.set(cell.setup.rtt)?;
                    cell.take(|| self.retakes && !self.left().is_zero())
                });
            }
        }
        let (series, failed): (Vec<_>, Vec<_>) = cells.into_iter().map(Cell::into_series).unzip();
        (series.into_iter().flatten().collect(), failed.into_iter().flatten().collect())
    }

    /// What of a round will be over within the budget, if each sample takes as long as the one before: all, all but idle
    /// connections, which take longest, or nothing. A round that is begun is ended, so that all series are as long.
    fn affordable(&self, due: Vec<usize>, cells: &[Cell<'_>]) -> Vec<usize> {
        let fits = |due: &[usize]| due.iter().map(|index| cells[*index].took).sum::<Duration>() < self.left();
        if fits(&due) {
            return due;
        }
        let brief: Vec<usize> = due.into_iter().filter(|index| cells[*index].measure != Measure::Idle).collect();
        if fits(&brief) { brief } else { Vec::new() }
    }

    /// Does a step of a cell, and says so; nothing once Ctrl-C was pressed.
    fn step<'c>(&self, doing: &str, cell: &mut Cell<'c>, work: impl FnOnce(&mut Cell<'c>) -> Result<()>) {
        if self.is_interrupted() {
            return;
        }
        let Cell { measure, layering, setup, .. } = cell;
        let left = self.left().as_secs();
        self.progress.set_length(self.pace.budget.as_secs());
        self.progress.set_position(self.pace.budget.as_secs() - left);
        self.progress.set_message(format!("{left} s left, {doing}: {measure}, {}, {setup}", layering.name));
        let begun = Instant::now();
        // What Ctrl-C cuts off has not failed.
        if let Err(error) = work(cell)
            && !self.is_interrupted()
        {
            cell.fail(&error);
        }
        cell.took = begun.elapsed();
    }

    fn left(&self) -> Duration {
        self.pace.budget.saturating_sub(self.begun.elapsed())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// All cells in an order drawn anew: those of one round trip together, since another one takes a moment to be had.
fn order(cells: &[Cell<'_>], random: &mut StdRng) -> Vec<usize> {
    let rtts: BTreeSet<Duration> = cells.iter().map(|cell| cell.setup.rtt).collect();
    let mut rtts: Vec<Duration> = rtts.into_iter().collect();
    rtts.shuffle(random);
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.shuffle(random);
    order.sort_by_key(|index| rtts.iter().position(|rtt| *rtt == cells[*index].setup.rtt));
    order
}
