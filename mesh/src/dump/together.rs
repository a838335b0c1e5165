//! Dumped sidecars as one mesh, which a lab can run.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    mapping::Mapping,
    objects,
    runnable::Runnable,
    services::{self, Service},
};
use crate::{
    SourceFile,
    model::{Mesh, Pushed},
};

/// Dumps that can't be in one lab.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mixed {
    #[error("two of the dumps are of {0}; each sidecar is dumped once")]
    SamePod(String),
    #[error("{0} and {1} had the same address {2}: the dumps are of two clusters, or of different times")]
    SameAddress(String, String, String),
    #[error("{0} is of the trust domain {1}, and {2} of {3}; a lab has one mesh authority")]
    TrustDomains(String, String, String, String),
}

/// Dumped sidecars that a lab runs together.
#[derive(Clone, Debug)]
pub struct DumpedMesh {
    dumps: Vec<Runnable>,
    services: BTreeMap<String, Service>,
}

impl DumpedMesh {
    /// Puts dumps together.
    ///
    /// # Errors
    /// If they can't be in one lab.
    pub fn new(dumps: Vec<Runnable>) -> Result<Self, Mixed> {
        for (index, dump) in dumps.iter().enumerate() {
            let name = dump.name.to_string();
            for other in &dumps[..index] {
                let others = other.name.to_string();
                if name == others {
                    return Err(Mixed::SamePod(name));
                }
                if let Some(ip) = dump.ips.iter().find(|ip| other.ips.contains(ip)) {
                    return Err(Mixed::SameAddress(others, name, ip.to_string()));
                }
                if other.trust_domain != dump.trust_domain {
                    let (theirs, own) = (other.trust_domain.clone(), dump.trust_domain.clone());
                    return Err(Mixed::TrustDomains(others, theirs, name, own));
                }
            }
        }
        let services = services::of(&dumps);
        Ok(Self { dumps, services })
    }

    /// The objects around the sidecars: their pods, and what they call.
    pub fn manifests(&self, file: &str) -> SourceFile {
        let objects = objects::of(&self.dumps, &self.services);
        let texts: Vec<String> = objects.iter().map(ToString::to_string).collect();
        SourceFile { name: file.into(), text: texts.join("\n---\n") }
    }

    /// What each sidecar gets in a mesh of [`manifests`](Self::manifests), by `POD.NAMESPACE`, and what can't run.
    pub fn pushed(&self, mesh: &Mesh) -> (BTreeMap<String, Pushed>, Vec<String>) {
        let mut mapping = Mapping::default();
        for dump in &self.dumps {
            let pod = mesh.pods.iter().find(|pod| pod.name == dump.name);
            mapping.pair(
                dump.ips.iter().copied(),
                &pod.map(|pod| pod.ips.both()).into_iter().flatten().collect::<Vec<_>>(),
            );
        }
        for (host, service) in &self.services {
            let Some((name, namespace)) = Service::kubernetes_name(host) else { continue };
            let is_it = |of: &&crate::model::Service| of.name.name == name && of.name.namespace == namespace;
            if let Some(found) = mesh.services.iter().find(is_it) {
                mapping.pair(service.vips.iter().copied(), &found.vips);
            }
        }
        let mut left_out = Vec::new();
        let mut seen = BTreeSet::new();
        let mut pushed = BTreeMap::new();
        for dump in &self.dumps {
            let name = dump.name.to_string();
            pushed.insert(name.clone(), mapping.apply(&dump.pushed));
            let notes = dump.left_out.iter().cloned().chain(std::mem::take(&mut mapping.left_out));
            // Sidecars of one mesh have most of it in common.
            left_out.extend(notes.filter(|note| seen.insert(note.clone())).map(|note| format!("{name}: {note}")));
        }
        for host in self.services.keys().filter(|host| host.starts_with('*')) {
            left_out.push(format!("{host}: nothing in the lab has a name that it matches"));
        }
        (pushed, left_out)
    }
}

#[cfg(test)]
mod tests;
