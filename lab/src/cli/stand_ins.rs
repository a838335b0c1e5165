//! Programs that run instead of images.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// The options about stand-ins.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Images, which are not run")]
pub struct StandInArgs {
    /// Run this command of the host instead of an image; the container's `args` follow it. NAME is the image, with its tag or
    /// without, or the last part of its path; may be repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    pub image: Vec<String>,
    /// Read such commands from a file, one per line; empty lines and lines that begin with # are skipped
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// What to do for a container whose command this host can't run
    #[arg(long, value_enum, default_value_t)]
    pub stand_in: StandInChoice,
}

/// Whether there are stand-ins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum StandInChoice {
    /// Run a stand-in, which listens on the ports that the pod declares, and speaks what ports and probes indicate.
    #[default]
    Listen,
    /// Reject the manifests.
    None,
}
