//! The memory of sidecars over time.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};

use super::lab::ChaosLab;

/// Resident memory of sidecars, in KiB, in the order of time.
#[derive(Default)]
pub(super) struct Memory(BTreeMap<&'static str, Vec<u64>>);

/// How the memory of a sidecar developed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drift {
    pub(super) sidecar: &'static str,
    /// The median of the second third, in KiB, and that of the last.
    pub(super) before: u64,
    pub(super) after: u64,
}

impl Drift {
    pub(super) fn percent(&self) -> f64 {
        (self.after as f64 / self.before.max(1) as f64 - 1.0) * 100.0
    }
}

impl Memory {
    /// Samples the sidecars that live as long as the lab.
    pub(super) fn sample(&mut self, lab: &ChaosLab) -> Result<()> {
        for pod in ["client", "server"] {
            let pid = lab.sidecar(pod)?.pid;
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let resident = resident.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            self.0.entry(pod).or_default().push(resident.context("a process has resident memory")?);
        }
        Ok(())
    }

    /// The drift of each sidecar. The first third is warming up: pools, buffers and tables grow to their size.
    pub(super) fn drifts(&self) -> Vec<Drift> {
        let drift = |(sidecar, samples): (&&'static str, &Vec<u64>)| {
            let third = samples.len() / 3;
            Drift {
                sidecar,
                before: median(&samples[third..samples.len() - third]),
                after: median(&samples[samples.len() - third..]),
            }
        };
        self.0.iter().map(drift).collect()
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_after_the_first_third_is_drift() {
        let of = |samples: &[u64]| Memory(BTreeMap::from([("client", samples.to_vec())])).drifts().remove(0);
        assert!(of(&[1, 50, 100, 100, 100, 100, 100, 100, 100]).percent().abs() < 0.1);
        assert!((of(&[1, 50, 100, 100, 100, 100, 110, 110, 110]).percent() - 10.0).abs() < 0.1);
    }
}
