//! Runs one scenario in one mesh on one data plane.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::{Context, Result, bail};
use mesh::{SourceFile, model::Mesh};

use super::{
    Interrupted, Options, caller, changes::Current, counting::Before, load::Loads, make_calls, now_ns, traced, webhook,
};
use crate::{
    data_plane::DataPlane,
    deploy::{self, Deployment},
    loads::Step,
    observe_call::{self, Observations, Seen},
    scenario::Scenario,
};

/// The work for one lab.
pub(super) struct Unit<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) mesh: &'a Mesh,
    /// What the mesh was resolved from.
    pub(super) files: &'a [SourceFile],
    pub(super) data_plane: DataPlane,
}

/// What one lab found, for each probe in order.
pub(super) struct UnitResult {
    pub(super) ready_after: Duration,
    pub(super) resident: Vec<u64>,
    pub(super) seen: Vec<Seen>,
    /// The mesh in which each call was made; empty if it never changed.
    pub(super) meshes: Vec<Mesh>,
}

impl Unit<'_> {
    /// `SCENARIO-MESH-DATAPLANE`.
    pub(super) fn name(&self) -> String {
        format!("{}-{}-{}", self.scenario.name, self.mesh.flavor, self.data_plane)
    }

    /// The mesh in which a probe was called.
    pub(super) fn mesh_of<'a>(&'a self, result: &'a UnitResult, probe: usize) -> &'a Mesh {
        result.meshes.get(probe).unwrap_or(self.mesh)
    }

    /// How its pods are deployed while it is in this mesh.
    pub(super) fn deploy_options(&self, mesh: &Mesh, options: &Options) -> deploy::Options {
        deploy::Options {
            data_plane: self.data_plane,
            callers: self.scenario.callers(mesh),
            tools: options.tools.clone(),
            privilege: options.privilege,
            capture: true,
            stays_up: false,
            name: self.name(),
            tuning: options.tuning.clone(),
            tamper: options.tamper.clone(),
        }
    }
}

pub(super) fn run(unit: &Unit<'_>, options: &Options) -> Result<UnitResult> {
    let Unit { scenario, mesh, .. } = unit;
    let name = unit.name();
    options.progress.set_message(name.clone());
    if !scenario.has_steps() {
        // A caller that is missing is found before the lab is made.
        scenario.probes.iter().try_for_each(|probe| caller(mesh, probe).map(drop))?;
    }
    let options_of_mesh = unit.deploy_options(mesh, options);
    let mut deployment = Deployment::new(mesh, &options_of_mesh).with_context(|| format!("scenario {name}"))?;
    let (ready_after, resident) = (deployment.ready_after, deployment.resident.clone());
    let mut current = Current::new(unit, options)?;
    let mut loads = Loads::new(&scenario.loads, &deployment, &options.tools, options.interrupted);
    loads.start(&deployment, mesh)?;
    let (mut calls, mut steps, mut meshes) = (Vec::new(), Vec::new(), Vec::new());
    for (number, probe) in scenario.probes.iter().enumerate() {
        let began_ns = now_ns();
        let mut changes = Vec::new();
        for change in &probe.changes {
            let made = current.make(change, &mut deployment, &mut loads);
            changes.extend(made.with_context(|| format!("scenario {name}: the changes before {:?}", probe.name))?);
        }
        loads.advance(began_ns)?;
        if options.interrupted.load(Ordering::Relaxed) {
            bail!(Interrupted);
        }
        let from = caller(&current.mesh, probe)?;
        let before = Before::read(&probe.counts, &deployment, &current.mesh)?;
        let mut call = match &probe.webhook {
            Some(name) => webhook::call(&deployment, unit, probe, name, from, number, options)?,
            None => make_calls(&deployment, &current.mesh, probe, from, number, options)?,
        };
        call.counts = before.gained(&deployment)?;
        let time = (began_ns, now_ns());
        call.traces = traced::received(probe.traces.as_ref(), &deployment, &current.mesh, time)?;
        call.loads = loads.marks();
        calls.push(call);
        steps.push(Step { began_ns, changes, ended_ns: now_ns() });
        if scenario.has_steps() {
            meshes.push(current.mesh.clone());
        }
    }
    loads.stop(|_| true)?;
    let capture = options.captures.as_ref().map(|folder| folder.join(format!("{name}.pcapng")));
    let observed: Observations = deployment.finish(&current.mesh, capture)?;
    let mut seen = Vec::new();
    for (number, (probe, call)) in scenario.probes.iter().zip(&calls).enumerate() {
        let mut account = observe_call::account(meshes.get(number).unwrap_or(mesh), probe, call, &observed);
        account.evidence.loads = loads.seen(&steps[number], &observed);
        seen.push(account);
    }
    Ok(UnitResult { ready_after, resident, seen, meshes })
}
