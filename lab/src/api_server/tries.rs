//! What the real API server says of objects, each tried by itself as with `kubectl create --dry-run=server`.

use std::process::Command;

use anyhow::Result;
use mesh::SourceFile;
use serde::{Deserialize, Serialize};

use super::KubeApiserver;
use crate::ask::ask;

/// Manifests to try.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    manifests: Vec<Manifest>,
}

#[derive(Clone, Debug, Serialize)]
struct Manifest {
    name: String,
    text: String,
}

impl Request {
    /// A request for the objects in these files.
    pub fn new(files: &[SourceFile]) -> Self {
        let manifest = |file: &SourceFile| Manifest { name: file.name.clone(), text: file.text.clone() };
        Self { manifests: files.iter().map(manifest).collect() }
    }
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Answer {
    /// The version of Kubernetes.
    pub kubernetes: String,
    pub objects: Vec<Tried>,
}

/// An object, and the server's response.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Tried {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    /// The file that contains it.
    pub file: String,
    /// The document's number in the file, from 1.
    pub document: usize,
    /// Whether the server would create it.
    pub allowed: bool,
    /// The reason for a refusal; empty otherwise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Its warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
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
