//! How a lab's programs run, as far as the manifests don't say: what a bench compares.

use mesh::{ca::KeyType, compile};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

use crate::role::Role;

#[cfg(test)]
mod tests;

/// How a lab's programs run. By default as in any lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// How many workers each sidecar has.
    pub concurrency: u32,
    /// What the keys of the mesh's certificates are made of.
    pub key_type: KeyType,
    /// What the sidecars' files are compiled with. Its key log is the apps' too: it opens captures.
    pub compile: compile::Options,
    /// Whether each program runs on CPUs of its own: see [`cpus`](Self::cpus).
    pub pin: bool,
    /// Kernel settings of each pod: dotted names, and values.
    pub sysctls: Vec<(String, String)>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            concurrency: 1,
            key_type: KeyType::P256,
            compile: compile::Options { key_log: true, ..compile::Options::default() },
            pin: false,
            sysctls: Vec::new(),
        }
    }
}

impl Tuning {
    /// The CPUs that a program may run on, from those that this process may: none in particular unless programs are pinned.
    /// Along a call's way each gets the next ones, an app one and a sidecar one for each worker, and where there are no more,
    /// the first again: neighbours, which work for each other, are never on the same as long as there are two.
    pub fn cpus(&self, role: Role) -> Vec<usize> {
        if self.pin { self.seated(role, &own_cpus()) } else { Vec::new() }
    }

    fn seated(&self, role: Role, all: &[usize]) -> Vec<usize> {
        let workers = self.concurrency as usize;
        let (first, number) = match role {
            Role::ClientApp => (0, 1),
            Role::ClientSidecar => (1, workers),
            Role::ServerSidecar => (1 + workers, workers),
            Role::ServerApp => (1 + 2 * workers, 1),
        };
        all.iter().copied().cycle().skip(first).take(number.min(all.len())).collect()
    }
}

/// The CPUs that this process may run on; none where the kernel doesn't say.
fn own_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
}
