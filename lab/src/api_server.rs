//! The real API server of Kubernetes: finds the program that `scripts/kube-apiserver` builds.

use std::path::PathBuf;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{reference::Reference, tools::MissingTool};

pub mod tries;

/// The API server that calls webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ApiServer {
    /// `demo-apiserver`, which does what kube-apiserver does.
    #[default]
    #[value(help = "demo-apiserver, which calls them as kube-apiserver does")]
    Demo,
    /// kube-apiserver itself.
    #[value(help = "The real kube-apiserver")]
    Real,
}

impl ApiServer {
    /// Whether it is the default.
    pub(crate) fn is_demo(&self) -> bool {
        *self == Self::Demo
    }
}

const PROGRAM: Reference = Reference {
    name: "kube-apiserver",
    variable: "SIDELAB_KUBE_APISERVER",
    fix: "build it with `scripts/kube-apiserver` (which needs Go, or gets it from PyPI, and minutes), or name its path in \
          SIDELAB_KUBE_APISERVER; without --api-server real, demo-apiserver calls the webhooks",
};

/// The program that runs the real kube-apiserver.
#[derive(Clone, Debug)]
pub struct KubeApiserver {
    pub(crate) program: PathBuf,
}

impl KubeApiserver {
    /// Finds the program: in `SIDELAB_KUBE_APISERVER`, else in the project's cache.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn find() -> Result<Self, MissingTool> {
        PROGRAM.find().map(|program| Self { program })
    }
}
