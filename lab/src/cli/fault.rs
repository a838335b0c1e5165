//! The arguments of `fault`.

use clap::{Args, Subcommand};

use super::common::Place;
use crate::faults::Rate;

#[derive(Debug, Args)]
#[command(
    after_help = "A fault lasts until it is cleared, also across `apply`, or until its pod is gone. Nothing outside of the lab is touched.

While istiod is gone, sidecars keep the configuration and the certificates that they have: `apply` changes services, names and pods without \
sidecars, and sidecars get their share once the fault is cleared; `rotate` and pods that would start a sidecar are refused. In a cluster an \
istiod that is gone takes its webhooks along, too, and the API server refuses Istio's kinds: here it accepts them.

Examples:
  sidelab fault partition client server          no packet passes between the two pods
  sidelab fault drop client server --percent 20  a fifth of the packets is lost
  sidelab fault reset client server --port 8080  connections to the port are refused, open ones reset when they are used
  sidelab fault throttle client server --rate 1mbit
  sidelab fault stop server                      the sidecar accepts connections, and does nothing (SIGSTOP)
  sidelab fault kill server -c app               ends a container's program (SIGKILL)
  sidelab fault istiod                           changes no longer reach the sidecars
  sidelab fault list
  sidelab fault clear 1                          or --all; what was killed is started again

Exit codes: 0 done, 2 wrong use, such as a pod that does not exist."
)]
pub struct FaultArgs {
    #[command(subcommand)]
    pub command: FaultCommand,
}

#[derive(Debug, Subcommand)]
pub enum FaultCommand {
    /// Let no packet pass between two pods
    Partition(TwoPods),
    /// Lose a share of the packets between two pods
    Drop {
        #[command(flatten)]
        between: TwoPods,
        /// The share, from 1 to 100
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
    },
    /// Answer TCP packets between two pods with RST
    Reset(TwoPods),
    /// Limit the rate between two pods, in each direction
    Throttle {
        #[command(flatten)]
        between: TwoPods,
        /// The rate, such as 500kbit or 10mbit
        #[arg(long)]
        rate: Rate,
    },
    /// End a pod's sidecar, or another container's program, with SIGKILL
    Kill(OneProgram),
    /// Stop a pod's sidecar, or another container's program, with SIGSTOP
    Stop(OneProgram),
    /// Keep changes and certificates from reaching the sidecars
    Istiod(Place),
    /// List the faults
    List(Place),
    /// End faults
    Clear {
        /// Their numbers, as `list` shows them
        #[arg(value_name = "N", required_unless_present = "all", conflicts_with = "all")]
        numbers: Vec<u32>,
        /// All of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// The two ends of a fault of the network.
#[derive(Debug, Args)]
pub struct TwoPods {
    /// A pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The other pod
    pub other: String,
    /// Only TCP connections to this port of either pod [default: all packets]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    #[command(flatten)]
    pub place: Place,
}

/// A program of a pod.
#[derive(Debug, Args)]
pub struct OneProgram {
    /// The pod, POD or POD.NAMESPACE
    pub pod: String,
    /// The container
    #[arg(short = 'c', long, default_value = crate::sidecar::CONTAINER)]
    pub container: String,
    #[command(flatten)]
    pub place: Place,
}
