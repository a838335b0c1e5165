//! What the real API server says of objects, each tried by itself as with `kubectl create --dry-run=server`.

use std::process::Command;

use anyhow::Result;
use mesh::SourceFile;
use serde::{Deserialize, Serialize};

use super::KubeApiserver;
use crate::reference::{Manifest, Object, ask};

/// Manifests to try.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    manifests: Vec<Manifest>,
}

impl Request {
    /// A request for the objects in these files.
    pub fn new(files: &[SourceFile]) -> Self {
        Self { manifests: files.iter().map(Manifest::from).collect() }
    }
}

/// The answer to one request.
#[derive(Clone, Debug, Deserialize)]
pub struct Answer {
    /// The version of Kubernetes.
    pub kubernetes: String,
    pub objects: Vec<Object>,
}

impl KubeApiserver {
    /// Has a server try the objects of each request. It serves Istio's kinds, too.
    ///
    /// # Errors
    /// If the program can't be run, or does not answer.
    pub fn try_all(&self, requests: &[Request]) -> Result<Vec<Answer>> {
        let mut command = Command::new(&self.program);
        command.arg("validate");
        // `scripts/kube-apiserver` puts them there.
        if let Some(crds) = self.program.parent().map(|folder| folder.join("crds.yaml")).filter(|file| file.is_file()) {
            command.arg("--crds").arg(crds);
        }
        ask(&mut command, requests)
    }
}
