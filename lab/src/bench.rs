//! `sidelab bench`: what each layering costs.
//!
//! One lab a data plane holds every layering, so that all of them can be measured in turn: round after round, each round in
//! an order of its own, until every figure is sure enough or the time is over. What slows the machine down then slows all
//! of a round, and the ratios, which are what the answers are made of, hold.

use std::{
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
pub mod layering;
pub mod measure;
pub mod report;
pub mod rig;
pub mod sample;
pub mod setup;
pub mod stats;
pub mod table;

use self::{
    layering::{Layering, Refuted},
    measure::Measure,
    report::{BenchReport, Series},
    rig::Rig,
    sample::Sample,
    setup::{Settings, Setup},
};

/// How much of a CPU others may use while a sample is taken, before it is taken anew.
const QUIET: f64 = 0.15;

/// How often a disturbed sample is taken anew, before it counts as it is.
const ATTEMPTS: usize = 3;

/// A figure whose 95 % interval is this narrow, as a share of it to either side, is sure enough.
const SURE: f64 = 0.03;

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
    /// How long measuring may take. At least one round is measured all the same.
    pub budget: Duration,
    /// At most how many rounds.
    pub rounds: usize,
    /// Where programs are.
    pub tools: Tools,
    /// By what right labs are made.
    pub privilege: Privilege,
    /// Progress: permille of the budget.
    pub progress: ProgressBar,
    /// Set when the bench is to end early. What was measured by then is kept.
    pub interrupted: &'static AtomicBool,
}

/// Measures.
///
/// # Errors
/// When a lab can't be made, or a load fails.
pub fn run(scenario: &Scenario, options: &Options) -> Result<BenchReport> {
    let started = jiff::Timestamp::now();
    let begun = Instant::now();
    let mut scenario = scenario.clone();
    if !options.layerings.is_empty() {
        scenario.probes.retain(|probe| options.layerings.contains(&probe.name));
    }
    options.progress.set_message("checking the layerings on the wire");
    let checked = layering::check(&scenario, &options.check())?;
    let mut series = Vec::new();
    if !checked.0.is_empty() && !options.is_interrupted() {
        options.progress.set_message("bringing the labs up");
        let rigs = rigs(&scenario, options)?;
        series = rounds(&rigs, &checked, options)?;
    }
    Ok(BenchReport::new(started, begun.elapsed(), options.settings.clone(), checked, series))
}

/// A lab for each data plane.
fn rigs(scenario: &Scenario, options: &Options) -> Result<Vec<Rig>> {
    let resolved = manifests::resolve_files(&[scenario.manifests()], &[Flavor::Istio])?;
    let mesh = resolved.first().context("no mesh was resolved")?;
    let rig = |plane| Rig::new(mesh.clone(), plane, &options.settings, &options.tools, options.privilege);
    options.data_planes().into_iter().map(rig).collect()
}

/// One measure of one layering under one setup, round after round.
struct Cell<'a> {
    rig: &'a Rig,
    layering: &'a Layering,
    setup: Setup,
    measure: Measure,
    /// How many operations make a sample of the right length; found out by the first.
    operations: u64,
    samples: Vec<Sample>,
}

/// What there is to measure, in the order in which it is shown.
fn cells<'a>(
    rigs: &'a [Rig],
    (layerings, refuted): &'a (Vec<Layering>, Vec<Refuted>),
    options: &Options,
) -> Vec<Cell<'a>> {
    let fits = |setup: Setup, layering: &Layering| {
        !refuted.iter().any(|refuted| refuted.name == layering.name && refuted.data_plane == setup.data_plane)
    };
    let mut cells = Vec::new();
    for measure in &options.measures {
        for layering in layerings {
            for setup in options.setups.iter().filter(|setup| fits(**setup, layering)) {
                let rig = rigs.iter().find(|rig| rig.data_plane == setup.data_plane);
                let cell =
                    |rig| Cell { rig, layering, setup: *setup, measure: *measure, operations: 0, samples: Vec::new() };
                cells.extend(rig.map(cell));
            }
        }
    }
    cells
}

fn rounds(rigs: &[Rig], checked: &(Vec<Layering>, Vec<Refuted>), options: &Options) -> Result<Vec<Series>> {
    let mut cells = cells(rigs, checked, options);
    let begun = Instant::now();
    for cell in &mut cells {
        if options.is_interrupted() {
            break;
        }
        options.tell(begun, &format!("warming up: {} of {}", cell.measure, cell.layering.name));
        cell.operations = cell.measure.calibrate(cell.rig, cell.layering, cell.setup)?;
    }
    // The same order in every bench.
    let mut random = StdRng::seed_from_u64(0x5eed);
    let mut order: Vec<usize> = (0..cells.len()).collect();
    for round in 0..options.rounds {
        if round > 0 && (begun.elapsed() >= options.budget || cells.iter().all(Cell::is_sure)) {
            break;
        }
        order.shuffle(&mut random);
        for cell in &order {
            // A round that is begun is ended, so that all series are as long; but not against the user's will.
            if options.is_interrupted() {
                break;
            }
            let cell = &mut cells[*cell];
            if round >= cell.measure.rounds() {
                continue;
            }
            options.tell(begun, &format!("round {}: {} of {}", round + 1, cell.measure, cell.layering.name));
            cell.take()?;
        }
    }
    Ok(cells.into_iter().map(Cell::into_series).collect())
}

impl Cell<'_> {
    /// Takes a sample; anew while others use the machine.
    fn take(&mut self) -> Result<()> {
        let mut best: Option<Sample> = None;
        for _ in 0..ATTEMPTS {
            let sample = self.measure.sample(self.rig, self.layering, self.setup, self.operations)?;
            let calmer = best.as_ref().is_none_or(|best| sample.foreign < best.foreign);
            if calmer {
                best = Some(sample);
            }
            if best.as_ref().is_some_and(|best| best.foreign <= QUIET) {
                break;
            }
        }
        self.samples.extend(best);
        Ok(())
    }

    fn is_sure(&self) -> bool {
        let value: Vec<f64> = self.samples.iter().map(|sample| self.measure.headline(sample)).collect();
        let estimate = stats::Estimate::of(&[&value], |medians| medians[0]);
        value.len() >= self.measure.rounds().min(5) && estimate.is_some_and(|estimate| estimate.spread() <= SURE)
    }

    fn into_series(self) -> Series {
        Series {
            layering: self.layering.name.clone(),
            setup: self.setup,
            measure: self.measure,
            operations: self.operations,
            samples: self.samples,
        }
    }
}

impl Options {
    /// The data planes of the setups, each once.
    fn data_planes(&self) -> Vec<DataPlane> {
        let mut planes: Vec<DataPlane> = self.setups.iter().map(|setup| setup.data_plane).collect();
        planes.sort();
        planes.dedup();
        planes
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn tell(&self, begun: Instant, what: &str) {
        let share = begun.elapsed().as_secs_f64() / self.budget.as_secs_f64().max(f64::MIN_POSITIVE);
        self.progress.set_length(1000);
        self.progress.set_position(((share * 1000.0) as u64).min(1000));
        self.progress.set_message(what.to_owned());
    }

    fn check(&self) -> run::Options {
        run::Options {
            data_planes: self.data_planes(),
            meshes: vec![Flavor::Istio],
            tools: self.tools.clone(),
            privilege: self.privilege,
            captures: None,
            jobs: 2,
            tamper: None,
            progress: ProgressBar::hidden(),
            interrupted: self.interrupted,
        }
    }
}
