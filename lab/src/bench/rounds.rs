//! Schedules the samples.

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

pub(super) struct Rounds<'a> {
    pace: Pace,
    progress: &'a ProgressBar,
    interrupted: &'a AtomicBool,
    /// Whether disturbed samples are repeated. On a constantly used machine that would only cost time.
    retakes: bool,
    begun: Instant,
}

impl<'a> Rounds<'a> {
    /// Starts now.
    pub(super) fn new(pace: Pace, progress: &'a ProgressBar, interrupted: &'a AtomicBool, retakes: bool) -> Self {
        Self { pace, progress, interrupted, retakes, begun: Instant::now() }
    }

    /// Takes samples, round after round, until every figure is precise or the time is over.
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

    /// The samples of a round that fit into the budget, if each takes as long as the previous one: all, all but idle
    /// connections, which take longest, or none. A started round is finished, so that all series have equal length.
    fn affordable(&self, due: Vec<usize>, cells: &[Cell<'_>]) -> Vec<usize> {
        let fits = |due: &[usize]| due.iter().map(|index| cells[*index].took).sum::<Duration>() < self.left();
        if fits(&due) {
            return due;
        }
        let brief: Vec<usize> = due.into_iter().filter(|index| cells[*index].measure != Measure::Idle).collect();
        if fits(&brief) { brief } else { Vec::new() }
    }

    /// Performs a step of a cell, with progress; does nothing after Ctrl-C.
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
        // A step interrupted by Ctrl-C has not failed.
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

/// All cells in random order, grouped by round trip, since changing it takes a moment.
fn order(cells: &[Cell<'_>], random: &mut StdRng) -> Vec<usize> {
    let rtts: BTreeSet<Duration> = cells.iter().map(|cell| cell.setup.rtt).collect();
    let mut rtts: Vec<Duration> = rtts.into_iter().collect();
    rtts.shuffle(random);
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.shuffle(random);
    order.sort_by_key(|index| rtts.iter().position(|rtt| *rtt == cells[*index].setup.rtt));
    order
}
