//! What runs in the place of images that are not here.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The options about stand-ins.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Images, which are not run")]
pub struct StandInArgs {
    /// Run this command of the host in the place of an image; the container's `args` follow it. NAME is the image, with its tag or
    /// without, or the last part of its path; may be repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    pub image: Vec<String>,
    /// The same from a file, a line each; empty lines and those that begin with # are skipped
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// What a container does whose image is not here and whose command this host can't run
    #[arg(long, value_enum, default_value_t)]
    pub stand_in: StandInChoice,
}

/// Whether there are stand-ins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StandInChoice {
    /// Listens where the pod says that its program does, and speaks what its ports and probes say.
    #[default]
    Listen,
    /// Nothing: the manifests are refused.
    None,
}
