//! Faults of the network between two pods: the node drops, rejects or limits what it forwards between them.

use std::fmt::Write as _;

use crate::{PodSpec, rules::Family};

#[cfg(test)]
mod tests;

/// The least burst of a throttled direction, in bytes: segmentation offload makes packets of up to 64 KiB, and less than two of them would
/// let none pass.
const LEAST_BURST: u64 = 128 << 10;

/// A fault between two pods, in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    /// The two pods.
    pub pods: [PodSpec; 2],
    /// Only TCP connections to this port of either pod; everything if absent.
    pub port: Option<u16>,
    /// What happens to packets.
    pub kind: FaultKind,
}

/// What a fault does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Drops this share of them.
    Drop {
        /// In percent, 1 to 100: 100 is a partition.
        percent: u8,
    },
    /// Answers each TCP packet with RST. New connections are refused, and open ones end at each end when it sends something.
    Reset,
    /// Drops what exceeds this rate in a direction, to which TCP adapts.
    Throttle {
        /// Bytes per second of each direction.
        rate: u64,
    },
}

/// The rules of the node's filter table that make the faults, for one IP version.
pub(crate) fn rules(faults: &[FaultSpec], family: Family) -> String {
    let mut text = String::new();
    for (number, fault) in faults.iter().enumerate() {
        let of_family = |pod: &PodSpec| pod.addresses().find(|address| Family::of(*address) == family);
        let Some((a, b)) = of_family(&fault.pods[0]).zip(of_family(&fault.pods[1])) else { continue };
        for (direction, (from, to)) in [("there", (a, b)), ("back", (b, a))] {
            let action = action(fault.kind, number, direction);
            for port in ports(fault) {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "-A FORWARD -s {from} -d {to}{port}{action}");
            }
        }
    }
    text
}

/// The matches of a fault's port: packets to it, and answers from it.
fn ports(fault: &FaultSpec) -> Vec<String> {
    match (fault.port, fault.kind) {
        (Some(port), _) => vec![format!(" -p tcp -m tcp --dport {port}"), format!(" -p tcp -m tcp --sport {port}")],
        (None, FaultKind::Reset) => vec![" -p tcp".to_owned()],
        (None, _) => vec![String::new()],
    }
}

fn action(kind: FaultKind, number: usize, direction: &str) -> String {
    match kind {
        FaultKind::Drop { percent: 100 } => " -j DROP".to_owned(),
        FaultKind::Drop { percent } => {
            let share = f64::from(percent) / 100.0;
            format!(" -m statistic --mode random --probability {share:.2} -j DROP")
        }
        FaultKind::Reset => " -j REJECT --reject-with tcp-reset".to_owned(),
        FaultKind::Throttle { rate } => {
            let burst = rate.max(LEAST_BURST);
            // While rules are replaced, a limit of the same name lives on with its rate (linux: net/netfilter/xt_hashlimit.c,
            // `hashlimit_mt_check_common`).
            let name = format!("{number}-{direction}-{rate}");
            format!(
                " -m hashlimit --hashlimit-above {rate}b/s --hashlimit-burst {burst}b --hashlimit-name {name} -j DROP"
            )
        }
    }
}
