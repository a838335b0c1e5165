//! What can be wrong in a lab on purpose, in the words of `sidelab fault`, of scenarios and of reports.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail};
use mesh::model::Mesh;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{manifests, sidecar};

#[cfg(test)]
mod tests;

/// A fault. Pods are named as the user names them until `resolve`, and then `POD.NAMESPACE`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LabFault {
    /// No packet passes between two pods.
    Partition(Between),
    /// A share of the packets between two pods is lost.
    Drop {
        pods: [String; 2],
        /// Only TCP connections to this port of either pod.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// 1 to 100.
        percent: u8,
    },
    /// TCP packets between two pods are answered with RST.
    Reset(Between),
    /// The rate between two pods is limited, in each direction.
    Throttle {
        pods: [String; 2],
        /// Only TCP connections to this port of either pod.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        rate: Rate,
    },
    /// A container's program was ended with SIGKILL.
    Kill(OfPod),
    /// A container's program is stopped with SIGSTOP: it keeps its connections, and does nothing.
    Stop(OfPod),
    /// Sidecars don't reach istiod: they keep the configuration and the certificates that they have.
    Istiod,
}

/// Two pods.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Between {
    pub pods: [String; 2],
    /// Only TCP connections to this port of either pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfPod {
    pub pod: String,
    /// `istio-proxy` by default.
    #[serde(default = "the_sidecar")]
    pub container: String,
}

fn the_sidecar() -> String {
    sidecar::CONTAINER.to_owned()
}

impl LabFault {
    /// Checks what does not depend on a mesh.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Drop { percent, .. } if !(1..=100).contains(percent) => {
                Err(format!("percent: {percent} is not a number from 1 to 100"))
            }
            _ => Ok(()),
        }
    }

    /// With the full names of its pods, `POD.NAMESPACE`.
    ///
    /// # Errors
    /// If a pod or container does not exist, or two pods are the same.
    pub(crate) fn resolve(mut self, mesh: &Mesh, namespace: &str) -> Result<Self> {
        let resolve = |name: &mut String| -> Result<usize> {
            let pod = manifests::find_pod(mesh, name, namespace)?;
            *name = mesh.pods[pod].name.to_string();
            Ok(pod)
        };
        match &mut self {
            Self::Partition(Between { pods, .. })
            | Self::Reset(Between { pods, .. })
            | Self::Drop { pods, .. }
            | Self::Throttle { pods, .. } => {
                pods.iter_mut().try_for_each(|pod| resolve(pod).map(drop))?;
                if pods[0] == pods[1] {
                    bail!("a fault of the network is between two pods, and {} is one", pods[0]);
                }
            }
            Self::Kill(OfPod { pod, container }) | Self::Stop(OfPod { pod, container }) => {
                let found = &mesh.pods[resolve(pod)?];
                let sidecar = found.sidecar.as_ref().map(|_| sidecar::CONTAINER);
                let names: Vec<_> = found.containers.iter().map(|one| one.name.as_str()).chain(sidecar).collect();
                if !names.contains(&container.as_str()) {
                    bail!("{pod} has no container {container}; it has {}", names.join(", "));
                }
            }
            Self::Istiod => {}
        }
        Ok(self)
    }

    /// The two pods between which it is, if it is of the network.
    pub(crate) fn pods(&self) -> Option<&[String; 2]> {
        match self {
            Self::Partition(Between { pods, .. })
            | Self::Reset(Between { pods, .. })
            | Self::Drop { pods, .. }
            | Self::Throttle { pods, .. } => Some(pods),
            Self::Kill(_) | Self::Stop(_) | Self::Istiod => None,
        }
    }

    /// The container whose program it concerns.
    pub(crate) fn program(&self) -> Option<&OfPod> {
        match self {
            Self::Kill(program) | Self::Stop(program) => Some(program),
            _ => None,
        }
    }
}

impl fmt::Display for LabFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = |[a, b]: &[String; 2], port: &Option<u16>| {
            let port = port.map_or_else(String::new, |port| format!(", port {port}"));
            format!("between {a} and {b}{port}")
        };
        match self {
            Self::Partition(Between { pods, port }) => write!(f, "no packet passes {}", between(pods, port)),
            Self::Drop { pods, port, percent } => write!(f, "{percent}% of packets are lost {}", between(pods, port)),
            Self::Reset(Between { pods, port }) => write!(f, "connections are reset {}", between(pods, port)),
            Self::Throttle { pods, port, rate } => write!(f, "at most {rate} {}", between(pods, port)),
            Self::Kill(OfPod { pod, container }) => write!(f, "{container} of {pod} is killed"),
            Self::Stop(OfPod { pod, container }) => write!(f, "{container} of {pod} is stopped"),
            Self::Istiod => f.write_str("istiod is gone: sidecars keep their configuration and certificates"),
        }
    }
}

/// A rate, written as tc(8) does: `500kbit`, `10mbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Rate {
    bits_per_second: u64,
}

const UNITS: [(&str, u64); 4] = [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1000), ("bit", 1)];

impl Rate {
    pub(crate) fn bytes_per_second(self) -> u64 {
        self.bits_per_second / 8
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = UNITS.iter().find_map(|(unit, bits)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(*bits)
        });
        match parsed {
            Some(bits_per_second) if bits_per_second >= 8 => Ok(Self { bits_per_second }),
            _ => Err(format!("{text:?} is not a rate of at least 8bit, such as 500kbit or 10mbit")),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |bits: u64| self.bits_per_second.is_multiple_of(bits);
        let (unit, bits) = UNITS.into_iter().find(|(_, bits)| fits(*bits)).unwrap_or(("bit", 1));
        write!(f, "{}{unit}", self.bits_per_second / bits)
    }
}

/// A fault of a lab, with the number by which it is cleared.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub(crate) struct Numbered {
    pub(crate) number: u32,
    pub(crate) fault: LabFault,
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.number, self.fault)
    }
}

/// The faults of a lab, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults(Vec<Numbered>);

impl Faults {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Numbered> {
        self.0.iter()
    }

    /// Adds a fault, and returns its number.
    ///
    /// # Errors
    /// If it is there.
    pub(crate) fn add(&mut self, fault: LabFault) -> Result<u32> {
        if let Some(same) = self.0.iter().find(|one| one.fault == fault) {
            bail!("this is {same}");
        }
        let number = self.0.last().map_or(1, |last| last.number + 1);
        self.0.push(Numbered { number, fault });
        Ok(number)
    }

    /// Removes the faults with these numbers, and returns them.
    ///
    /// # Errors
    /// If there is none of a number: then nothing was removed.
    pub(crate) fn take(&mut self, numbers: &[u32]) -> Result<Vec<Numbered>> {
        if let Some(unknown) = numbers.iter().find(|number| self.0.iter().all(|one| one.number != **number)) {
            bail!("there is no fault {unknown}; `sidelab fault list` lists them");
        }
        Ok(self.0.extract_if(.., |one| numbers.contains(&one.number)).collect())
    }

    /// All numbers.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.0.iter().map(|one| one.number).collect()
    }

    /// The number of the fault that istiod is gone.
    pub(crate) fn without_istiod(&self) -> Option<u32> {
        self.0.iter().find(|one| one.fault == LabFault::Istiod).map(|one| one.number)
    }

    /// Forgets the faults that end with pods: `is_gone` says whether a pod leaves, `is_new` whether its programs are new.
    pub(crate) fn end_with_pods(&mut self, is_gone: impl Fn(&str) -> bool, is_new: impl Fn(&str) -> bool) {
        self.0.retain(|Numbered { fault, .. }| {
            let network = fault.pods().is_none_or(|pods| !pods.iter().any(|pod| is_gone(pod)));
            let program = fault.program().is_none_or(|OfPod { pod, .. }| !is_gone(pod) && !is_new(pod));
            network && program
        });
    }
}
