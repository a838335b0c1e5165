//! All faults of a set of manifests.

use std::collections::BTreeMap;

use crate::{Fault, SourceFile, load, locate, resolve};

/// The result of checking manifests, which `sidelab validate` prints.
#[derive(Debug)]
pub struct Check {
    /// All faults found while reading and resolving, in order of documents.
    pub faults: Vec<Fault>,
    /// How many documents could be read.
    pub documents: usize,
    /// By kind, the number of objects that were skipped because they do not matter here.
    pub set_aside: BTreeMap<String, usize>,
}

/// Reads and resolves manifests for their faults.
pub fn check(files: &[SourceFile]) -> Check {
    let loaded = load(files);
    let has_errors = loaded.has_errors();
    let mut faults = loaded.faults;
    if loaded.complete {
        let mut resolved = match resolve(&loaded.manifests) {
            Ok((_, warnings)) => warnings,
            Err(faults) => faults,
        };
        // Consequences of an error would only hide it.
        resolved.retain(|fault| fault.is_error() || !has_errors);
        locate(files, &mut resolved);
        faults.extend(resolved);
    }
    faults.sort();
    faults.dedup();
    let mut set_aside = BTreeMap::new();
    for object in loaded.manifests.set_aside.iter().filter(|object| object.may_change.is_none()) {
        *set_aside.entry(object.kind.clone()).or_default() += 1;
    }
    Check { faults, documents: loaded.manifests.heads().count(), set_aside }
}

#[cfg(test)]
mod tests;
