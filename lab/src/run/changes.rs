//! Changes a scenario's lab between its calls.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use mesh::{
    Addresses, Objects, SourceFile,
    model::{Mesh, Pod, Resolved},
};
use netns::Lab;

use super::{Interrupted, Options, load::Loads, now_ns};
use crate::{
    deploy::{Deployment, Programs, StartedPod},
    faults::{Faults, LabFault, Numbered},
    interrupt,
    live::{
        change::{self, Follower, PodWhat, Wanted},
        faults,
        record::Record,
        roll::Taken,
        rotate::{Order, Phase},
    },
    manifests::{self, BadManifests},
    scenario::{self, Change, Cleared, Rotated, Rotation},
};

/// How long each sidecar can take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a scenario's lab is made from at the moment.
pub(super) struct Current<'a> {
    unit: &'a super::unit::Unit<'a>,
    options: &'a Options,
    record: Record,
    pub(super) mesh: Mesh,
}

impl<'a> Current<'a> {
    /// As it is before any change.
    pub(super) fn new(unit: &'a super::unit::Unit<'a>, options: &'a Options) -> Result<Self> {
        let record = Record {
            mesh: unit.mesh.flavor,
            data_plane: unit.data_plane,
            control_plane: options.control_plane,
            dumped: BTreeMap::new(),
            objects: objects(unit.files)?,
            addresses: Addresses::of(unit.mesh),
            created: BTreeMap::new(),
            faults: Faults::default(),
            images: options.images.clone(),
            concurrency: options.tuning.concurrency,
            unconfined: options.tuning.unconfined,
        };
        Ok(Self { unit, options, record, mesh: unit.mesh.clone() })
    }

    /// Makes a change, while loads run. Returns, for each time that it is made, when it began and when every sidecar had taken it.
    ///
    /// # Errors
    /// If it can't be made, or a sidecar does not take it.
    pub(super) fn make(
        &mut self,
        change: &Change,
        deployment: &mut Deployment,
        loads: &mut Loads<'_>,
    ) -> Result<Vec<(u64, u64)>> {
        match change {
            Change::Rotate(rotation) => self.rotate(*rotation, deployment, loads),
            Change::Apply(file) => {
                let files = manifests::read(&[self.unit.scenario.directory.join(file)])?;
                let mut next = self.record.objects.clone();
                next.apply(objects(&files)?);
                Ok(vec![self.change_to(next, &files, &[], deployment, loads)?])
            }
            Change::Delete(object) => {
                let mut next = self.record.objects.clone();
                let meant = scenario::key(object).map_err(anyhow::Error::msg)?;
                let is_meant = |key: &mesh::Key| (&key.kind, &key.name) == (&meant.kind, &meant.name);
                let keys: Vec<_> = next.keys().filter(is_meant).collect();
                if next.delete(&keys).is_empty() {
                    bail!("delete: there is no {object}");
                }
                Ok(vec![self.change_to(next, &[], &[], deployment, loads)?])
            }
            Change::Fault(fault) => Ok(vec![self.break_with(fault.clone(), deployment, loads)?]),
            Change::Clear(Cleared::All) => Ok(vec![self.clear(deployment, loads)?]),
        }
    }

    fn break_with(&mut self, fault: LabFault, deployment: &Deployment, loads: &Loads<'_>) -> Result<(u64, u64)> {
        let fault = fault.resolve(&self.mesh, manifests::DEFAULT_NAMESPACE).context("fault")?;
        let began_ns = now_ns();
        faults::make(&deployment.lab, &mut self.record, &self.mesh, &fault).context("fault")?;
        let done_ns = now_ns();
        loads.advance(done_ns)?;
        Ok((began_ns, done_ns))
    }

    /// Clears all faults: sidecars get what was held back, and programs go on.
    ///
    /// # Errors
    /// If a sidecar does not take it, or a program does not start.
    fn clear(&mut self, deployment: &mut Deployment, loads: &mut Loads<'_>) -> Result<(u64, u64)> {
        let cleared = self.record.faults.take(&self.record.faults.numbers())?;
        let began_ns = now_ns();
        faults::resume(&deployment.lab, &cleared)?;
        let (_, done_ns) = self.change_to(self.record.objects.clone(), &[], &cleared, deployment, loads)?;
        Ok((began_ns, done_ns))
    }

    /// Changes what the lab is made from, and starts again what faults that were `cleared` killed.
    fn change_to(
        &mut self,
        objects: Objects,
        files: &[SourceFile],
        cleared: &[Numbered],
        deployment: &mut Deployment,
        loads: &mut Loads<'_>,
    ) -> Result<(u64, u64)> {
        let unit = self.unit;
        let calls = |mesh: &Resolved| unit.scenario.calls(mesh);
        let options = unit.deploy_options(&self.mesh, self.options);
        let planned = change::plan(&deployment.lab, &self.record, Wanted { objects, files, options, calls: &calls })?;
        let changes = planned.changes();
        let goes = |pod: &str| {
            let of_pod = changes.iter().filter(|change| change.pod == pod);
            of_pod.into_iter().any(|change| matches!(change.what, PodWhat::Deleted | PodWhat::Replaced(_)))
        };
        let began_ns = now_ns();
        loads.stop(goes)?;
        let mut follower =
            InRun { pods: &self.mesh.pods, programs: &mut deployment.programs, interrupted: self.options.interrupted };
        for pod in planned.carry_out(&deployment.lab, PATIENCE, &mut follower)? {
            self.check_taken(&pod.pod, pod.taken.as_ref())?;
        }
        for pod in planned.restart(&deployment.lab, cleared)? {
            deployment.programs.add(pod);
        }
        (self.record, self.mesh) = planned.into_parts();
        deployment.adapt(&self.mesh, &unit.deploy_options(&self.mesh, self.options))?;
        let done_ns = now_ns();
        loads.start(deployment, &self.mesh)?;
        loads.advance(done_ns)?;
        Ok((began_ns, done_ns))
    }

    fn rotate(&self, rotation: Rotation, deployment: &Deployment, loads: &Loads<'_>) -> Result<Vec<(u64, u64)>> {
        if self.record.faults.without_istiod().is_some() {
            bail!("rotate: istiod is gone, and signs no certificates");
        }
        let sidecars = self.mesh.pods.iter().enumerate().filter(|(_, pod)| pod.sidecar.is_some());
        let carried_out = crate::live::rotate::Rotation {
            lab: &deployment.lab,
            mesh: &self.mesh,
            pods: sidecars.map(|(index, _)| index).collect(),
            patience: PATIENCE,
            privilege: self.options.privilege,
        };
        // Requests arrive in every phase, and between two sidecars that change one after the other.
        let between = || loads.advance(now_ns());
        let done = |phase: &Phase| {
            phase.taken.iter().try_for_each(|(pod, taken)| self.check_taken(pod, Some(taken)))?;
            loads.advance(now_ns())
        };
        let soak = rotation.soak.filter(|_| self.options.soak);
        let mut made = Vec::new();
        for _ in 0..soak.map_or(rotation.times, |soak| soak.times) {
            let began_ns = now_ns();
            match rotation.what {
                Rotated::Certificates => {
                    for phase in carried_out.certificates()? {
                        phase.taken.iter().try_for_each(|(pod, taken)| self.check_taken(pod, Some(taken)))?;
                    }
                }
                Rotated::Root => carried_out.root(Order::Overlap, &between, done)?,
                Rotated::RootLeafFirst => carried_out.root(Order::LeafFirst, &between, done)?,
                Rotated::RootNoOverlap => carried_out.root(Order::NoOverlap, &between, done)?,
            }
            let done_ns = now_ns();
            loads.advance(done_ns)?;
            made.push((began_ns, done_ns));
            if let Some(soak) = soak {
                let passed = Duration::from_nanos(now_ns().saturating_sub(began_ns));
                interrupt::pause(soak.every.saturating_sub(passed));
            }
        }
        Ok(made)
    }

    /// # Errors
    /// If a sidecar did not take its files.
    fn check_taken(&self, pod: &str, taken: Option<&Taken>) -> Result<()> {
        if interrupt::is_asked() {
            bail!(Interrupted);
        }
        match taken {
            None | Some(Taken::After(_) | Taken::HeldBack(_)) => Ok(()),
            Some(Taken::Refused { counter, output }) => {
                bail!("the sidecar of {pod} refused its files ({counter}): {output}")
            }
            Some(Taken::NotYet(missing)) => {
                bail!("the sidecar of {pod} did not take its files within {PATIENCE:?} ({})", missing.join(", "))
            }
            Some(Taken::DoesNotRun) => bail!("the sidecar of {pod} does not answer"),
        }
    }
}

fn objects(files: &[SourceFile]) -> Result<Objects> {
    Objects::read(files).map_err(|mut faults| {
        mesh::locate(files, &mut faults);
        BadManifests { faults }.into()
    })
}

/// A change of a lab whose programs end with this process.
struct InRun<'a> {
    /// Before the change.
    pods: &'a [Pod],
    programs: &'a mut Programs,
    interrupted: &'a std::sync::atomic::AtomicBool,
}

impl Follower for InRun<'_> {
    fn commit(&mut self) -> Result<()> {
        if self.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
            bail!(Interrupted);
        }
        Ok(())
    }

    fn created(&mut self, pods: &[netns::Pod]) -> Result<()> {
        if self.programs.is_watched() { self.programs.watch(pods) } else { Ok(()) }
    }

    fn started(&mut self, pods: Vec<StartedPod>) {
        pods.into_iter().for_each(|pod| self.programs.add(pod));
    }

    fn end(&mut self, lab: &Lab, pods: &[String]) -> Result<()> {
        for name in pods {
            let pod = self.pods.iter().find(|pod| pod.name.to_string() == *name);
            let pod = pod.with_context(|| format!("{name} is not in the mesh"))?;
            self.programs.end(&lab.pod(name)?, pod)?;
        }
        Ok(())
    }
}
