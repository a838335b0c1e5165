//! Changes a lab that is up to other manifests: pods come and go, and sidecars get new files.
//!
//! Everything that can fail comes before the first visible effect: manifests are resolved and compiled, and new pods are started. From
//! then on the change is completed, even after Ctrl-C.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use mesh::{
    Fault, Objects, SourceFile,
    model::Mesh,
    rollout::{Change, Rollout, rollout},
};
use netns::{Lab, PodSpec};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    pods::{self, Fate, Running},
    record::Record,
    roll::{self, Taken},
};
use crate::{
    authorities::Authorities,
    container, control_plane,
    deploy::{self, PodPlan},
    interrupt, manifests, name_server, outside, parallel,
    run::Interrupted,
    terminal::noteln,
};

/// How long a pod's programs can take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// A change of one pod.
#[derive(Clone, Debug)]
pub(crate) struct PodChange {
    /// `POD.NAMESPACE`.
    pub(crate) pod: String,
    pub(crate) what: PodWhat,
    /// What its sidecar did; `None` if it got nothing, or did not get it yet.
    pub(crate) taken: Option<Taken>,
}

#[derive(Clone, Debug)]
pub(crate) enum PodWhat {
    Created,
    Deleted,
    /// It is made again, with the reason.
    Replaced(String),
    /// It keeps running.
    Changed {
        /// Of its sidecar's configuration.
        sidecar: Vec<Change>,
        /// The containers whose mounted files changed.
        mounts: Vec<String>,
    },
}

/// A change that was worked out, and has had no effect yet.
pub(crate) struct Planned {
    record: Record,
    mesh: Mesh,
    options: deploy::Options,
    plans: Vec<Option<PodPlan>>,
    specs: Vec<PodSpec>,
    /// By the index of a pod in the new mesh.
    fates: Vec<Fate>,
    rollouts: BTreeMap<usize, Rollout>,
    leaving: Vec<String>,
}

/// Works out what becomes of a lab with other objects. `files` are those that were read for it, in which errors are located.
///
/// # Errors
/// If the manifests are invalid; what `validate` prints of them.
pub(crate) fn plan(lab: &Lab, record: &Record, objects: Objects, files: &[SourceFile]) -> Result<Planned> {
    let mut next = Record { objects, ..record.clone() };
    next.objects.delete_file(outside::ASSUMED);
    let (mut resolved, mut warnings) = manifests::resolve_objects(&next.objects, &next.addresses, files)?;
    if let Some(hosts) = outside::hosts(&resolved, &[]) {
        let hosts = Objects::read(&[hosts]).map_err(|faults| manifests::BadManifests { faults })?;
        next.objects.apply(hosts);
        (resolved, warnings) = manifests::resolve_objects(&next.objects, &next.addresses, files)?;
    }
    next.images.fill(&mut resolved)?;
    let (old, known) = record.resolve_with_warnings()?;
    let is_known = |fault: &Fault| known.iter().any(|one| Fault { place: None, ..fault.clone() } == *one);
    manifests::print_warnings(warnings.iter().filter(|fault| !is_known(fault)));
    let mesh = Mesh::new(resolved, next.mesh);
    let mesh = control_plane::apply_to(next.control_plane, mesh, &next.objects.files())?;
    next.addresses = mesh::Addresses::of(&mesh);
    next.stamp(jiff::Timestamp::now().as_second());

    let options = next.options(lab.id().to_owned());
    let indexed = || mesh.pods.iter().enumerate();
    let plans = indexed().map(|(i, pod)| deploy::plan(&mesh, i, pod, lab, &options)).collect::<Result<Vec<_>>>()?;
    let specs: Vec<PodSpec> = indexed()
        .zip(&plans)
        .map(|((i, pod), plan)| deploy::spec(&mesh, i, pod, plan.as_ref(), &options.tuning))
        .collect();
    let running = lab.pods();
    let (mut fates, mut rollouts) = (Vec::new(), BTreeMap::new());
    for (index, pod) in indexed() {
        let name = pod.name.to_string();
        let host = running.iter().find(|host| host.name() == name);
        let before = old.pods.iter().find(|pod| pod.name.to_string() == name);
        let Some((host, before)) = host.zip(before) else {
            fates.push(Fate::Comes);
            continue;
        };
        let mut fate = pods::fate(&Running { pod: before, spec: host.spec() }, pod, &specs[index]);
        if let (Fate::Stays(_), Some(plan)) = (&fate, &plans[index]) {
            let of_mesh = plan.config.mesh_secret_files();
            let way = rollout(&roll::files_of(host, &of_mesh)?, &plan.config.files(&[]).into_iter().collect());
            if way.restarts {
                fate = Fate::IsReplaced("its sidecar's bootstrap changed".to_owned());
            } else if way != Rollout::default() {
                rollouts.insert(index, way);
            }
        }
        fates.push(fate);
    }
    let names = running.iter().map(netns::Pod::name).filter(|name| *name != name_server::POD);
    let leaving = pods::leaving(names, &mesh).into_iter().map(str::to_owned).collect();
    Ok(Planned { record: next, mesh, options, plans, specs, fates, rollouts, leaving })
}

impl Planned {
    /// What happens to each pod, in the order of names; those that go come last.
    pub(crate) fn changes(&self) -> Vec<PodChange> {
        let change = |pod: String, what| PodChange { pod, what, taken: None };
        let mut changes = Vec::new();
        for (index, (pod, fate)) in self.mesh.pods.iter().zip(&self.fates).enumerate() {
            let what = match fate {
                Fate::Comes => PodWhat::Created,
                Fate::IsReplaced(why) => PodWhat::Replaced(why.clone()),
                Fate::Stays(mounts) => {
                    let sidecar = self.rollouts.get(&index).map(|way| way.changes.clone()).unwrap_or_default();
                    let mounts = mounts.iter().map(|one| pod.containers[*one].name.clone()).collect::<Vec<_>>();
                    if sidecar.is_empty() && mounts.is_empty() && !self.rollouts.contains_key(&index) {
                        continue;
                    }
                    PodWhat::Changed { sidecar, mounts }
                }
            };
            changes.push(change(pod.name.to_string(), what));
        }
        changes.extend(self.leaving.iter().map(|pod| change(pod.clone(), PodWhat::Deleted)));
        changes
    }

    /// Changes the lab. Sidecars get `patience` to take each of their files.
    ///
    /// # Errors
    /// If a new pod can't be started, or this process is interrupted before: then nothing has changed. If a pod that is made again
    /// does not start, the rest of the change is done nevertheless.
    pub(crate) fn carry_out(&self, lab: &Lab, patience: Duration) -> Result<Vec<PodChange>> {
        let authorities = Authorities::read(lab.dir())?;
        let interrupted = interrupt::interruptible()?;
        let of_fate = |is: fn(&Fate) -> bool| -> Vec<usize> {
            self.fates.iter().enumerate().filter(|(_, fate)| is(fate)).map(|(index, _)| index).collect()
        };
        let coming = of_fate(|fate| *fate == Fate::Comes);
        let started = self.start(lab, &coming, &authorities);
        if started.is_err() || interrupted.load(Ordering::SeqCst) {
            self.remove(lab, &coming);
            started?;
            bail!(Interrupted);
        }
        interrupt::hold();
        self.record.write(lab.dir())?;
        name_server::update(&self.mesh, lab)?;
        lab.set_services(&deploy::services(&self.mesh))?;
        let taken = self.roll(lab, patience)?;
        for (index, fate) in self.fates.iter().enumerate() {
            let Fate::Stays(mounts) = fate else { continue };
            self.write_mounts(lab, index, mounts, &authorities)?;
        }
        let replaced = of_fate(|fate| matches!(fate, Fate::IsReplaced(_)));
        let names = replaced.iter().map(|index| self.mesh.pods[*index].name.to_string());
        let ending: Vec<String> = names.chain(self.leaving.iter().cloned()).collect();
        stop(lab, &ending)?;
        self.start(lab, &replaced, &authorities).context("the change is in place, but not every pod runs")?;
        let mut changes = self.changes();
        for change in &mut changes {
            change.taken = taken.get(&change.pod).cloned();
        }
        Ok(changes)
    }

    /// Creates pods and starts their programs.
    fn start(&self, lab: &Lab, chosen: &[usize], authorities: &Authorities) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let hosts = lab.add_pods(chosen.iter().map(|index| self.specs[*index].clone()))?;
        let pods = chosen.iter().copied().zip(&hosts).map(|(index, host)| (index, host, self.plans[index].as_ref()));
        deploy::start_pods(&self.mesh, pods.collect(), authorities, &self.options).map(drop)
    }

    /// Removes pods that were created by a change that failed.
    fn remove(&self, lab: &Lab, chosen: &[usize]) {
        let there = lab.pods();
        for name in chosen.iter().map(|index| self.mesh.pods[*index].name.to_string()) {
            if there.iter().any(|host| host.name() == name)
                && let Err(error) = lab.remove_pod(&name)
            {
                noteln!("{error}");
            }
        }
    }

    /// Gives sidecars their new files. Returns what each did with them.
    fn roll(&self, lab: &Lab, patience: Duration) -> Result<BTreeMap<String, Taken>> {
        let taken = parallel::each(&self.rollouts, roll::AT_ONCE, |(index, way)| {
            let name = self.mesh.pods[*index].name.to_string();
            let taken = roll::roll(&lab.pod(&name)?, way, self.options.privilege, patience)
                .with_context(|| format!("the sidecar of {name}"))?;
            Ok((name, taken))
        });
        Ok(taken?.into_iter().collect())
    }

    fn write_mounts(&self, lab: &Lab, index: usize, changed: &[usize], authorities: &Authorities) -> Result<()> {
        let pod = &self.mesh.pods[index];
        for container in changed.iter().map(|one| &pod.containers[*one]) {
            let host = lab.pod(&pod.name.to_string())?;
            let made = deploy::certificate(container, authorities)?;
            container::Files::new(&host, &container.name).write(&host, container, made.as_ref())?;
        }
        Ok(())
    }
}

/// Ends pods' programs as a kubelet does, with SIGTERM first, and removes the pods.
fn stop(lab: &Lab, names: &[String]) -> Result<()> {
    let mut processes = lab.processes()?;
    processes.retain(|process| names.contains(&process.pod) && process.is_running());
    for process in &processes {
        // Fails if it has ended meanwhile.
        let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGTERM);
    }
    let deadline = Instant::now() + GRACE;
    while processes.iter().any(netns::ProcessRecord::is_running) && Instant::now() < deadline {
        interrupt::pause(Duration::from_millis(5));
    }
    names.iter().try_for_each(|name| Ok(lab.remove_pod(name)?))
}
