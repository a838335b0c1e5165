//! A running lab as commands read it.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail};
use mesh::{
    account::Account,
    model::{Mesh, Pod},
    predict::{Call, predict},
};
use netns::Lab;

use super::labs;
use crate::{
    cli::{LabArgs, SidecarsArgs},
    interrupt,
    live::record::Record,
    look::status::{Clock, PodStatus},
    manifests, outside,
    terminal::noteln,
};

/// How long the state of a pod is read again while the end of a program has been noticed, and its exit code not yet.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);

/// A lab that is read.
pub(super) struct Opened {
    pub(super) lab: Lab,
    pub(super) record: Record,
    pub(super) mesh: Mesh,
    /// When the record was last written.
    changed: Option<SystemTime>,
}

impl Opened {
    pub(super) fn new(lab: &LabArgs) -> Result<Self> {
        let lab = Lab::open(&labs::select(lab.lab.as_deref())?)?;
        let changed = Record::changed(&lab);
        let record = Record::read(&lab)?;
        let mesh = record.resolve()?;
        Ok(Self { lab, record, mesh, changed })
    }

    /// Notes the lab's faults, of which what follows says nothing.
    pub(super) fn note_faults(&self) {
        self.record.faults.iter().for_each(|fault| noteln!("{fault}"));
    }

    /// Opens the lab again if another process has changed it. Returns whether one has.
    ///
    /// # Errors
    /// If the lab is gone since.
    pub(super) fn read_again(&mut self) -> Result<bool> {
        let changed = Record::changed(&self.lab);
        if changed.is_none() || changed == self.changed {
            return Ok(false);
        }
        self.lab = Lab::open(self.lab.id())?;
        self.record = Record::read(&self.lab)?;
        self.mesh = self.record.resolve()?;
        self.changed = changed;
        Ok(true)
    }

    /// Predicts a call in the lab, as its control plane configures it.
    ///
    /// # Errors
    /// If the called host does not exist, or something that is not modelled takes part.
    pub(super) fn predict(&self, call: &Call) -> Result<Account> {
        let host = outside::alias(&self.mesh, &call.host, &self.mesh.pods[call.from].name.namespace);
        if outside::is_unknown(&self.mesh, &host, call.from) {
            bail!("--to: no manifest of the lab has {host}, and no pod plays it; add it with `sidelab apply`");
        }
        Ok(predict(&self.record.push_to(self.mesh.clone())?, call)?)
    }

    /// The pod of a name, `POD` or `POD.NAMESPACE`. The name of a Deployment means its first pod.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn pod(&self, name: &str, namespace: &str) -> Result<(netns::Pod, &Pod)> {
        let pod = &self.mesh.pods[manifests::find_pod(&self.mesh, name, namespace)?];
        Ok((self.lab.pod(&pod.name.to_string())?, pod))
    }

    /// The pod that is named, else all with a sidecar.
    pub(super) fn sidecars(&self, args: &SidecarsArgs) -> Result<Vec<&Pod>> {
        Ok(match &args.pod {
            Some(name) => vec![&self.mesh.pods[manifests::find_pod(&self.mesh, name, &args.place.namespace)?]],
            None => self.mesh.pods.iter().filter(|pod| pod.sidecar.is_some()).collect(),
        })
    }

    /// The state of each pod, in the mesh's order.
    pub(super) fn statuses(&self) -> Result<(Vec<PodStatus>, Clock)> {
        let begun = Instant::now();
        loop {
            let (started, exits, clock) = (self.lab.processes()?, self.lab.exits()?, clock()?);
            let status = |pod| PodStatus::new(pod, &started, &exits, clock);
            let statuses: Vec<PodStatus> = self.mesh.pods.iter().map(status).collect();
            if begun.elapsed() > RECORDED_WITHIN || !statuses.iter().any(PodStatus::has_unknown_end) {
                return Ok((statuses, clock));
            }
            // The lab's keeper is about to record how it ended.
            interrupt::pause(Duration::from_millis(2));
        }
    }
}

/// The current time, and the time since the kernel booted (proc_uptime(5)).
pub(super) fn clock() -> Result<Clock> {
    let uptime = fs::read_to_string("/proc/uptime").context("can't read /proc/uptime")?;
    let seconds = uptime.split(['.', ' ']).next().and_then(|seconds| seconds.parse().ok());
    Ok(Clock { now: jiff::Timestamp::now().as_second(), since_boot: seconds.context("can't read /proc/uptime")? })
}
