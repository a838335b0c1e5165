//! The record of what a lab is made from, next to its state file: enough to resolve it again.

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use anyhow::{Context, Result};
use mesh::{
    Addresses, Fault, Key, Objects,
    model::{ControlPlane, Flavor, Mesh, Pushed},
};
use netns::{Lab, Privilege};
use serde::{Deserialize, Serialize};

use crate::{
    control_plane, data_plane::DataPlane, deploy, faults::Faults, manifests, output, stand_ins::Images, tools::Tools,
    tuning::Tuning,
};

const FILE: &str = "manifests.json";

fn full_name(key: &Key) -> String {
    format!("{key} {}", key.namespace)
}

/// What a lab is made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) mesh: Flavor,
    pub(crate) data_plane: DataPlane,
    pub(crate) control_plane: ControlPlane,
    /// What each sidecar got from dumps, by `POD.NAMESPACE`.
    #[serde(default)]
    pub(crate) dumped: BTreeMap<String, Pushed>,
    pub(crate) objects: Objects,
    /// The addresses of its pods and services, which they keep.
    pub(crate) addresses: Addresses,
    /// What runs instead of images.
    pub(crate) images: Images,
    /// The number of workers of each sidecar.
    pub(crate) concurrency: u32,
    /// Whether its programs see and change the host's files and processes.
    pub(crate) unconfined: bool,
    /// When each object was created, in seconds since the Unix epoch.
    pub(crate) created: BTreeMap<String, i64>,
    /// What is wrong in it on purpose.
    pub(crate) faults: Faults,
}

impl Record {
    /// Notes the time as that of the creation of objects that are new, and forgets those that are gone.
    pub(crate) fn stamp(&mut self, now: i64) {
        let names = self.objects.keys().map(|key| full_name(&key));
        self.created = names
            .map(|name| {
                let at = self.created.get(&name).copied().unwrap_or(now);
                (name, at)
            })
            .collect();
    }

    /// When an object was created, in seconds since the Unix epoch.
    pub(crate) fn created(&self, key: &Key) -> Option<i64> {
        self.created.get(&full_name(key)).copied()
    }

    /// Writes it. Only its owner can read it, since it contains Secrets.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write(&self, lab: &Path) -> Result<()> {
        let text = serde_json::to_string(self)?;
        Ok(output::write_secret(&lab.join(FILE), |file| file.write_all(text.as_bytes()))?)
    }

    /// Reads that of a lab.
    ///
    /// # Errors
    /// If the lab was made by another command than `up`, or the file is damaged.
    pub(crate) fn read(lab: &Lab) -> Result<Self> {
        let path = lab.dir().join(FILE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("lab {} was not brought up by `sidelab up`", lab.id()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// When that of a lab was last written; `None` if the lab is gone.
    pub(crate) fn changed(lab: &Lab) -> Option<SystemTime> {
        fs::metadata(lab.dir().join(FILE)).and_then(|file| file.modified()).ok()
    }

    /// The mesh that the lab runs, with its stand-ins.
    ///
    /// # Errors
    /// If the manifests are invalid.
    pub(crate) fn resolve(&self) -> Result<Mesh> {
        self.resolve_with_warnings().map(|(mesh, _)| mesh)
    }

    /// [`resolve`](Self::resolve), with the warnings, which have no places in files.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(crate) fn resolve_with_warnings(&self) -> Result<(Mesh, Vec<Fault>)> {
        let (mut resolved, warnings) = manifests::resolve_objects(&self.objects, &self.addresses, &[])?;
        self.images.fill(&mut resolved)?;
        Ok((Mesh::new(resolved, self.mesh), warnings))
    }

    /// Replaces the compiler's files by those of the lab's control plane.
    ///
    /// # Errors
    /// If istiod is the control plane, and is not built, or disagrees with sidelab.
    pub(crate) fn push_to(&self, mesh: Mesh) -> Result<Mesh> {
        match self.control_plane {
            ControlPlane::Dumps => Ok(mesh.pushed_by(ControlPlane::Dumps, self.dumped.clone())),
            control_plane => control_plane::apply_to(control_plane, mesh, &self.objects.files()),
        }
    }

    /// How its pods are deployed.
    pub(crate) fn options(&self, name: String) -> deploy::Options {
        deploy::Options {
            data_plane: self.data_plane,
            callers: Vec::new(),
            tools: Tools::find(),
            privilege: Privilege::of_entered_lab(),
            capture: false,
            stays_up: true,
            name,
            tuning: Tuning { concurrency: self.concurrency, unconfined: self.unconfined, ..Tuning::default() },
            tamper: None,
        }
    }
}
