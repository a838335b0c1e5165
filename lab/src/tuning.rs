//! How a lab's programs run, beyond the manifests: what a bench varies.

use mesh::{ca::KeyType, compile};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

use crate::role::Role;

#[cfg(test)]
mod tests;

/// How a lab's programs run; the default is an ordinary lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The number of workers of each sidecar.
    pub concurrency: u32,
    /// The key type of the mesh's certificates.
    pub key_type: KeyType,
    /// The compile options of the sidecars' files. Its key log also applies to the apps, and decrypts captures.
    pub compile: compile::Options,
    /// Whether each program runs on separate CPUs: see [`cpus`](Self::cpus).
    pub pin: bool,
    /// Kernel settings of each pod: dotted names, and values.
    pub sysctls: Vec<(String, String)>,
    /// Whether the programs see and change the host's files and processes.
    pub unconfined: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            concurrency: 1,
            key_type: KeyType::P256,
            compile: compile::Options { key_log: true, ..compile::Options::default() },
            pin: false,
            sysctls: Vec::new(),
            unconfined: false,
        }
    }
}

impl Tuning {
    /// The CPUs that a program can run on, among those of this process; empty unless programs are pinned.
    /// Along a call's path each program gets the next ones: one for an app, one per worker for a sidecar. If there are too few,
    /// they are reused from the first, so neighbours never share a CPU as long as there are two.
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

/// The CPUs that this process can run on; empty if the kernel doesn't say.
fn own_cpus() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return Vec::new() };
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true)).collect()
}
