//! Every fault of manifests at once.

use std::collections::BTreeMap;

use crate::{Fault, SourceFile, load, locate, resolve};

/// What there is to say of manifests: what `sidelab validate` prints.
#[derive(Debug)]
pub struct Check {
    /// All faults that reading and resolving brings up, in order of documents.
    pub faults: Vec<Fault>,
    /// How many documents could be read.
    pub documents: usize,
    /// How many objects of kinds that decide nothing here were set aside, by kind.
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
        // What follows from an error would only hide it.
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
