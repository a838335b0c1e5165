//! Changes a lab that is up to other manifests: pods come and go, and sidecars get new files.
//!
//! Everything that can fail comes before the first visible effect: manifests are resolved and compiled, and new pods are started. From
//! then on the change is completed, even after Ctrl-C.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail};
use mesh::{
    Fault, Objects, SourceFile,
    model::{Mesh, Resolved},
    rollout::{Change, Rollout, rollout},
};
use netns::{Lab, PodSpec};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    faults,
    pods::{self, Fate, Running},
    record::Record,
    roll::{self, Taken},
};
use crate::{
    authorities::Authorities,
    container,
    deploy::{self, PodPlan, StartedPod},
    faults::{Numbered, OfPod},
    manifests, name_server, outside, parallel,
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

/// Takes part in a change while it is carried out.
pub(crate) trait Follower {
    /// Everything that can fail is done. If this fails, the change has no effect.
    fn commit(&mut self) -> Result<()>;

    /// Pods were created; their programs start next.
    fn created(&mut self, pods: &[netns::Pod]) -> Result<()>;

    /// The programs of created pods run.
    fn started(&mut self, pods: Vec<StartedPod>);

    /// Ends the programs of pods that are removed next.
    fn end(&mut self, lab: &Lab, pods: &[String]) -> Result<()>;
}

/// How a lab is to change.
pub(crate) struct Wanted<'a> {
    /// What it is made from then.
    pub(crate) objects: Objects,
    /// The files that were read for it, in which errors are located.
    pub(crate) files: &'a [SourceFile],
    pub(crate) options: deploy::Options,
    /// Calls for which hosts outside of the cluster are needed.
    pub(crate) calls: &'a dyn Fn(&Resolved) -> Vec<Call<'a>>,
}

/// A call from a pod to a host and a port.
type Call<'a> = (usize, &'a str, u16);

/// Works out what becomes of a lab.
///
/// # Errors
/// If the manifests are invalid; what `validate` prints of them.
pub(crate) fn plan(lab: &Lab, record: &Record, wanted: Wanted<'_>) -> Result<Planned> {
    let Wanted { objects, files, options, calls } = wanted;
    let mut next = Record { objects, ..record.clone() };
    next.objects.delete_file(outside::ASSUMED);
    let (mut resolved, mut warnings) = manifests::resolve_objects(&next.objects, &next.addresses, files)?;
    if let Some(hosts) = outside::hosts(&resolved, &calls(&resolved)) {
        let hosts = Objects::read(&[hosts]).map_err(|faults| manifests::BadManifests { faults })?;
        next.objects.apply(hosts);
        (resolved, warnings) = manifests::resolve_objects(&next.objects, &next.addresses, files)?;
    }
    next.images.fill(&mut resolved)?;
    let (old, known) = record.resolve_with_warnings()?;
    let is_known = |fault: &Fault| known.iter().any(|one| Fault { place: None, ..fault.clone() } == *one);
    manifests::print_warnings(warnings.iter().filter(|fault| !is_known(fault)));
    let mesh = Mesh::new(resolved, next.mesh);
    let mesh = next.push_to(mesh)?;
    next.addresses = mesh::Addresses::of(&mesh);
    next.stamp(jiff::Timestamp::now().as_second());

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
    let leaving: Vec<String> = pods::leaving(names, &mesh).into_iter().map(str::to_owned).collect();
    check_istiod(&next, &mesh, &fates)?;
    let is_new = |name: &str| {
        let mut pods = mesh.pods.iter().zip(&fates);
        pods.any(|(pod, fate)| !matches!(fate, Fate::Stays(_)) && pod.name.to_string() == name)
    };
    next.faults.end_with_pods(|name| leaving.iter().any(|pod| pod == name), is_new);
    Ok(Planned { record: next, mesh, options, plans, specs, fates, rollouts, leaving })
}

/// A pod's sidecar starts with what istiod gives it.
///
/// # Errors
/// If one would start while istiod is gone.
fn check_istiod(next: &Record, mesh: &Mesh, fates: &[Fate]) -> Result<()> {
    let Some(fault) = next.faults.without_istiod() else { return Ok(()) };
    let mut pods = mesh.pods.iter().zip(fates);
    match pods.find(|(pod, fate)| pod.sidecar.is_some() && !matches!(fate, Fate::Stays(_))) {
        Some((pod, _)) => bail!(
            "the sidecar of {} would start without configuration and certificate, since istiod is gone (fault {fault}); \
             `sidelab fault clear {fault}` brings it back",
            pod.name
        ),
        None => Ok(()),
    }
}

impl Planned {
    /// What happens to each pod, in the order of names; those that go come last.
    pub(crate) fn changes(&self) -> Vec<PodChange> {
        let change = |pod: String, what| PodChange { pod, what, taken: None };
        let held_back = self.record.faults.without_istiod().map(Taken::HeldBack);
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
            let taken = held_back.clone().filter(|_| self.rollouts.contains_key(&index));
            changes.push(PodChange { taken, ..change(pod.name.to_string(), what) });
        }
        changes.extend(self.leaving.iter().map(|pod| change(pod.clone(), PodWhat::Deleted)));
        changes
    }

    /// What the lab is made from afterwards.
    pub(crate) fn into_parts(self) -> (Record, Mesh) {
        (self.record, self.mesh)
    }

    /// Changes the lab. Sidecars get `patience` to take each of their files.
    ///
    /// # Errors
    /// If a new pod can't be started, or the follower does not commit to it: then nothing has changed. If a pod that is made again
    /// does not start, the rest of the change is done nevertheless.
    pub(crate) fn carry_out(
        &self,
        lab: &Lab,
        patience: Duration,
        follower: &mut impl Follower,
    ) -> Result<Vec<PodChange>> {
        let authorities = Authorities::read(lab.dir())?;
        let of_fate = |is: fn(&Fate) -> bool| -> Vec<usize> {
            self.fates.iter().enumerate().filter(|(_, fate)| is(fate)).map(|(index, _)| index).collect()
        };
        let coming = of_fate(|fate| *fate == Fate::Comes);
        let ready = self.start(lab, &coming, &authorities, follower).and_then(|()| follower.commit());
        if let Err(error) = ready {
            self.remove(lab, &coming);
            return Err(error);
        }
        self.record.write(lab.dir())?;
        name_server::update(&self.mesh, lab)?;
        lab.set_network(&deploy::services(&self.mesh), &faults::specs(lab, &self.record.faults))?;
        let taken = match self.record.faults.without_istiod() {
            None => self.roll(lab, patience)?,
            Some(_) => BTreeMap::new(),
        };
        for (index, fate) in self.fates.iter().enumerate() {
            let Fate::Stays(mounts) = fate else { continue };
            self.write_mounts(lab, index, mounts, &authorities)?;
        }
        let replaced = of_fate(|fate| matches!(fate, Fate::IsReplaced(_)));
        let names = replaced.iter().map(|index| self.mesh.pods[*index].name.to_string());
        let ending: Vec<String> = names.chain(self.leaving.iter().cloned()).collect();
        follower.end(lab, &ending)?;
        ending.iter().try_for_each(|name| lab.remove_pod(name))?;
        self.start(lab, &replaced, &authorities, follower).context("the change is in place, but not every pod runs")?;
        let mut changes = self.changes();
        for change in &mut changes {
            if let Some(taken) = taken.get(&change.pod) {
                change.taken = Some(taken.clone());
            }
        }
        Ok(changes)
    }

    /// Starts programs again that these faults killed, on the files that their pods have after the change.
    ///
    /// # Errors
    /// If one does not start.
    pub(crate) fn restart(&self, lab: &Lab, cleared: &[Numbered]) -> Result<Vec<StartedPod>> {
        let start = |OfPod { pod, container }: &OfPod| {
            let index = self.mesh.pods.iter().position(|one| one.name.to_string() == *pod);
            let index = index.with_context(|| format!("{pod} is not in the mesh"))?;
            let (pod, host) = (&self.mesh.pods[index], lab.pod(pod)?);
            deploy::restart((index, pod), &host, self.plans[index].as_ref(), container, &self.options)
        };
        faults::killed(lab, cleared)?.into_iter().map(start).collect()
    }

    /// Creates pods and starts their programs.
    fn start(
        &self,
        lab: &Lab,
        chosen: &[usize],
        authorities: &Authorities,
        follower: &mut impl Follower,
    ) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let hosts = lab.add_pods(chosen.iter().map(|index| self.specs[*index].clone()))?;
        follower.created(&hosts)?;
        let pods = chosen.iter().copied().zip(&hosts).map(|(index, host)| (index, host, self.plans[index].as_ref()));
        follower.started(deploy::start_pods(&self.mesh, pods.collect(), authorities, &self.options)?);
        Ok(())
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

/// Ends pods' programs as a kubelet does, with SIGTERM first. What still runs after a while ends with the pod.
///
/// # Errors
/// If the lab's state can't be read.
pub(crate) fn end_programs(lab: &Lab, names: &[String]) -> Result<()> {
    let mut processes = lab.processes()?;
    processes.retain(|process| names.contains(&process.pod) && process.is_running());
    for process in &processes {
        let program = Pid::from_raw(process.pid.cast_signed());
        // Both fail if it has ended meanwhile. One that is stopped has to go on to end.
        let _ = kill(program, Signal::SIGTERM);
        let _ = killpg(program, Signal::SIGCONT);
    }
    faults::wait_for_end(&processes, GRACE);
    Ok(())
}
