//! `sidelab bench`: what each layering costs.
//!
//! One lab a data plane holds every layering, so that all of them can be measured in turn: round after round, each round in
//! an order of its own, until every figure is sure enough or the time is over. What slows the machine down then slows all
//! of a round, and the ratios, which are what the answers are made of, hold.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use mesh::model::Flavor;
use netns::Privilege;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{manifests, run, scenario::Scenario, tools::Tools, verdict::DataPlane};

pub mod answers;
mod cell;
pub mod layering;
pub mod measure;
mod preflight;
pub mod report;
pub mod rig;
pub mod rtt;
pub mod sample;
pub mod setup;
pub mod stats;
pub mod table;

use self::{
    cell::Cell,
    layering::{Layering, Refuted},
    measure::Measure,
    report::{BenchReport, Failed, Series},
    rig::Rig,
    rtt::Ways,
    setup::{Settings, Setup},
};

/// How a bench is made.
pub struct Options {
    /// Under what.
    pub setups: Vec<Setup>,
    /// What all of it has in common.
    pub settings: Settings,
    /// Which layerings, by name; all where none is named.
    pub layerings: Vec<String>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// What of it is measured at round trips that are longer than they are by themselves, too.
    pub far: Vec<Measure>,
    /// How long measuring may take. At least one round is measured all the same.
    pub budget: Duration,
    /// At most how many rounds.
    pub rounds: usize,
    /// Where programs are.
    pub tools: Tools,
    /// By what right labs are made.
    pub privilege: Privilege,
    /// Progress: seconds of the budget.
    pub progress: ProgressBar,
    /// Set when the bench is to end early. What was measured by then is kept.
    pub interrupted: &'static AtomicBool,
}

/// Measures.
///
/// # Errors
/// When this machine is not up to it, or a lab can't be made. What fails later ends its series alone.
pub fn run(scenario: &Scenario, options: &Options) -> Result<BenchReport> {
    let started = jiff::Timestamp::now();
    let begun = Instant::now();
    let warnings = preflight::check(&options.settings, options.labs().len())?;
    for warning in &warnings {
        options.progress.suspend(|| tracing::warn!("{warning}"));
    }
    let mut scenario = scenario.clone();
    if !options.layerings.is_empty() {
        scenario.probes.retain(|probe| options.layerings.contains(&probe.name));
    }
    options.progress.set_message("checking the layerings on the wire");
    let checked = layering::check(&scenario, &options.check())?;
    let (mut measured, mut rtts) = ((Vec::new(), Vec::new()), Vec::new());
    if !checked.0.is_empty() && !options.is_interrupted() {
        options.progress.set_message("bringing the labs up");
        let rigs = rigs(&scenario, options)?;
        let mut ways = Ways::new(&rigs);
        measured = rounds(cells(&rigs, &checked, options), &mut ways, options);
        rtts = ways.found();
    }
    let report = BenchReport::new((started, begun.elapsed()), (options.settings.clone(), warnings), checked, measured);
    Ok(BenchReport { rtts, ..report })
}

/// A lab for each data plane and number of workers.
fn rigs(scenario: &Scenario, options: &Options) -> Result<Vec<Rig>> {
    let resolved = manifests::resolve_files(&[scenario.manifests()], &[Flavor::Istio])?;
    let mesh = resolved.first().context("no mesh was resolved")?;
    let rig = |lab| Rig::new(mesh.clone(), lab, &options.settings, &options.tools, options.privilege);
    options.labs().into_iter().map(rig).collect()
}

/// What there is to measure, in the order in which it is shown.
fn cells<'a>(
    rigs: &'a [Rig],
    (layerings, refuted): &'a (Vec<Layering>, Vec<Refuted>),
    options: &Options,
) -> Vec<Cell<'a>> {
    let is_refuted = |setup: &Setup, layering: &Layering| {
        refuted.iter().any(|refuted| refuted.name == layering.name && refuted.data_plane == setup.data_plane)
    };
    // The size of messages is nothing to measures without any: they have one, too.
    let first = options.setups.iter().map(|setup| setup.message_bytes).min();
    let differs = |setup: &Setup, measure: Measure| measure.has_messages() || Some(setup.message_bytes) == first;
    let is_meant = |setup: &Setup, measure: Measure| setup.rtt.is_zero() || options.far.contains(&measure);
    let mut cells = Vec::new();
    for measure in &options.measures {
        let setups = options.setups.iter().filter(|setup| differs(setup, *measure) && is_meant(setup, *measure));
        for layering in layerings {
            for setup in setups.clone().filter(|setup| !is_refuted(setup, layering)) {
                let lab = (setup.data_plane, setup.concurrency);
                let rig = rigs.iter().find(|rig| (rig.data_plane, rig.concurrency) == lab);
                cells.extend(rig.map(|rig| Cell::new(rig, layering, *setup, *measure)));
            }
        }
    }
    cells
}

/// Takes samples, round after round.
fn rounds(mut cells: Vec<Cell<'_>>, ways: &mut Ways<'_>, options: &Options) -> (Vec<Series>, Vec<Failed>) {
    let begun = Instant::now();
    // The same order in every bench.
    let mut random = StdRng::seed_from_u64(0x5eed);
    for cell in order(&cells, &mut random) {
        if options.is_interrupted() {
            break;
        }
        options.step(begun, "warming up", &mut cells[cell], |cell| {
            ways.set(cell.setup.rtt)?;
            cell.calibrate()
        });
    }
    for round in 0..options.rounds {
        if round > 0 && (begun.elapsed() >= options.budget || cells.iter().all(Cell::is_done)) {
            break;
        }
        for cell in order(&cells, &mut random) {
            // A round that is begun is ended, so that all series are as long; but not against the user's will.
            if options.is_interrupted() {
                break;
            }
            if cells[cell].wants(round) {
                options.step(begun, &format!("round {}", round + 1), &mut cells[cell], |cell| {
                    ways.set(cell.setup.rtt)?;
                    cell.take()
                });
            }
        }
    }
    let (series, failed): (Vec<_>, Vec<_>) = cells.into_iter().map(Cell::into_series).unzip();
    (series.into_iter().flatten().collect(), failed.into_iter().flatten().collect())
}

/// All cells in an order drawn anew: those of one round trip together, since another one takes a moment to be had.
fn order(cells: &[Cell<'_>], random: &mut StdRng) -> Vec<usize> {
    let mut rtts: Vec<Duration> =
        cells.iter().map(|cell| cell.setup.rtt).collect::<BTreeSet<_>>().into_iter().collect();
    rtts.shuffle(random);
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.shuffle(random);
    order.sort_by_key(|cell| rtts.iter().position(|rtt| *rtt == cells[*cell].setup.rtt));
    order
}

impl Options {
    /// The labs that are up at a time: data planes, with how many workers.
    fn labs(&self) -> BTreeSet<(DataPlane, u32)> {
        self.setups.iter().map(|setup| (setup.data_plane, setup.concurrency)).collect()
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Does a step of a cell, and says so.
    fn step<'a>(
        &self,
        begun: Instant,
        doing: &str,
        cell: &mut Cell<'a>,
        work: impl FnOnce(&mut Cell<'a>) -> Result<()>,
    ) {
        let spent = begun.elapsed();
        let left = self.budget.saturating_sub(spent).as_secs();
        let Cell { measure, layering, setup, .. } = cell;
        self.progress.set_length(self.budget.as_secs());
        self.progress.set_position(spent.as_secs());
        self.progress.set_message(format!("{left} s left, {doing}: {measure}, {}, {setup}", layering.name));
        // What Ctrl-C cuts off has not failed.
        if let Err(error) = work(cell)
            && !self.is_interrupted()
        {
            cell.fail(&error);
        }
    }

    fn check(&self) -> run::Options {
        run::Options {
            data_planes: self
                .setups
                .iter()
                .map(|setup| setup.data_plane)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            meshes: vec![Flavor::Istio],
            tools: self.tools.clone(),
            privilege: self.privilege,
            captures: None,
            jobs: 2,
            tuning: self.settings.tuning_of_check(),
            tamper: None,
            progress: ProgressBar::hidden(),
            interrupted: self.interrupted,
        }
    }
}
