//! `sidelab bench`: measures what each layering costs.
//!
//! One lab per data plane contains every layering, so that they can be measured in turn, in rounds of random order, until
//! every figure is precise enough or the time is over. A slowdown of the machine then affects the whole round, and the ratios,
//! on which the answers are based, remain valid.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use anyhow::Result;
use indicatif::ProgressBar;
use mesh::model::{ControlPlane, Flavor, Mesh, Pod};
use netns::Privilege;

use crate::{
    api_server::ApiServer, data_plane::DataPlane, manifests, run, scenario::Scenario, stand_ins::Images, tools::Tools,
};

pub mod answers;
mod cell;
pub mod compare;
mod conditions;
pub mod export;
pub mod figures;
#[cfg(test)]
mod fixtures;
pub mod html;
pub mod layering;
pub mod measure;
pub mod pace;
pub mod parts;
mod preflight;
pub mod read;
pub mod report;
pub mod rig;
pub mod round_trips;
pub mod rounds;
pub mod rtt;
pub mod sample;
pub mod series;
pub mod setup;
pub mod stats;
pub mod table;
pub mod targets;

use self::{
    cell::Cell,
    layering::{Layering, Refuted},
    measure::Measure,
    pace::Pace,
    report::BenchReport,
    rig::{Blueprint, Rig},
    rounds::Rounds,
    rtt::Ways,
    setup::{Settings, Setup},
};

pub struct Options {
    pub setups: Vec<Setup>,
    /// The settings that all series share.
    pub settings: Settings,
    /// The layerings by name; empty is all.
    pub layerings: Vec<String>,
    pub measures: Vec<Measure>,
    /// The measures to repeat with added round trips.
    pub far: Vec<Measure>,
    /// How long measuring can take.
    pub pace: Pace,
    /// Where the programs are.
    pub tools: Tools,
    /// The privilege with which labs are made.
    pub privilege: Privilege,
    /// Progress, in seconds of the budget.
    pub progress: ProgressBar,
    /// Set to end the bench early. The results so far are kept.
    pub interrupted: &'static AtomicBool,
}

/// Runs a bench.
///
/// # Errors
/// If this machine can't run it, or a lab can't be made. A later failure only ends its series.
pub fn run(scenario: &Scenario, options: &Options) -> Result<BenchReport> {
    let started = jiff::Timestamp::now();
    let begun = Instant::now();
    let warnings = preflight::check(options.idle(), options.labs().len())?;
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
        let blueprint = blueprint(&scenario, &checked.0, options)?;
        let rig = |(data_plane, concurrency)| Rig::new(&blueprint, data_plane, concurrency);
        let rigs = options.labs().into_iter().map(rig).collect::<Result<Vec<_>>>()?;
        let rounds = Rounds::new(options.pace, &options.progress, options.interrupted, warnings.is_empty());
        let mut ways = Ways::new(&rigs);
        measured = rounds.measure(cells(&rigs, &checked, options), &mut ways);
        rtts = ways.found();
    }
    let conditions = (options.settings.clone(), warnings, rtts);
    Ok(BenchReport::new((started, begun.elapsed()), conditions, checked, measured))
}

/// What the labs are made from.
fn blueprint(scenario: &Scenario, layerings: &[Layering], options: &Options) -> Result<Blueprint> {
    let mesh = Mesh::new(manifests::resolve_files(&[scenario.manifests()])?, Flavor::Istio);
    let calls = |pod: &Pod| layerings.iter().any(|layering| layering.client == pod.name.to_string());
    let callers = mesh.pods.iter().enumerate().filter(|(_, pod)| calls(pod)).map(|(index, _)| index).collect();
    let Options { settings, tools, privilege, .. } = options;
    Ok(Blueprint { mesh, callers, settings: settings.clone(), tools: tools.clone(), privilege: *privilege })
}

/// What to measure, in display order.
fn cells<'a>(
    rigs: &'a [Rig<'a>],
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
                let rig = rigs.iter().find(|rig| (rig.data_plane, rig.concurrency) == setup.lab());
                cells.extend(rig.map(|rig| Cell::new(rig, layering, *setup, *measure, &options.pace)));
            }
        }
    }
    cells
}

impl Options {
    /// The maximum number of idle connections.
    fn idle(&self) -> u32 {
        let is_measured = self.measures.contains(&Measure::Idle);
        self.settings.idle.iter().copied().filter(|_| is_measured).max().unwrap_or(0)
    }

    /// The labs that are up at a time: data planes, with the number of workers.
    fn labs(&self) -> BTreeSet<(DataPlane, u32)> {
        self.setups.iter().copied().map(Setup::lab).collect()
    }

    /// Each once.
    fn data_planes(&self) -> Vec<DataPlane> {
        let planes: BTreeSet<_> = self.setups.iter().map(|setup| setup.data_plane).collect();
        planes.into_iter().collect()
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn check(&self) -> run::Options {
        run::Options {
            data_planes: self.data_planes(),
            meshes: vec![Flavor::Istio],
            images: Images::default(),
            control_plane: ControlPlane::Compiler,
            api_server: ApiServer::Demo,
            tools: self.tools.clone(),
            privilege: self.privilege,
            captures: None,
            jobs: 2,
            fail_fast: false,
            soak: false,
            tuning: self.settings.tuning_of_check(),
            tamper: None,
            progress: ProgressBar::hidden(),
            interrupted: self.interrupted,
        }
    }
}
