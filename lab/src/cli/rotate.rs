//! The arguments of `rotate`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use demo_apps::duration;

use super::common::Place;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sidelab rotate                                new certificates for all sidecars
  sidelab rotate client --every 1s              for one, each second, until Ctrl-C
  sidelab rotate --root                         a new root: trusted next to the old one first, which is distrusted last
  sidelab rotate --root --order no-overlap      as it goes wrong: sidecars with different roots reject each other

Open connections keep the certificates that they began with; new ones show the new ones.

Exit codes: 0 done, 1 a sidecar did not take its files.")]
pub struct RotateArgs {
    /// Only this pod, POD or POD.NAMESPACE [default: all]
    #[arg(conflicts_with = "root")]
    pub pod: Option<String>,
    /// Replace the root of the mesh, too
    #[arg(long)]
    pub root: bool,
    /// The order in which a new root replaces the old one
    #[arg(long, value_enum, default_value_t, requires = "root")]
    pub order: RootOrder,
    /// Repeat it, until Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = duration::parse_limit)]
    pub every: Option<Duration>,
    /// How long each sidecar can take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration::parse)]
    pub timeout: Duration,
    #[command(flatten)]
    pub place: Place,
}

/// How a new root replaces the old one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RootOrder {
    /// As Istio does: both are trusted, then certificates are replaced, then the old one is distrusted.
    #[default]
    Overlap,
    /// Wrong: certificates of the new root, before anyone trusts it.
    LeafFirst,
    /// Wrong: sidecar by sidecar, the new root and its certificate instead of the old ones.
    NoOverlap,
}
