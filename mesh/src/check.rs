//! Every fault of manifests at once.

use crate::{Fault, SourceFile, load, model::Flavor, resolve};

/// All faults that reading and resolving manifests brings up, in order of place: what `sidelab validate` prints.
pub fn check(files: &[SourceFile]) -> Vec<Fault> {
    let loaded = load(files);
    let has_errors = loaded.has_errors();
    let mut faults = loaded.faults;
    if loaded.complete {
        // Which mesh is resolved makes no difference to its faults.
        let resolved = match resolve(&loaded.manifests, Flavor::Istio) {
            Ok((_, warnings)) => warnings,
            Err(faults) => faults,
        };
        // What follows from an error would only hide it.
        faults.extend(resolved.into_iter().filter(|fault| fault.is_error() || !has_errors));
    }
    faults.sort();
    faults.dedup();
    faults
}

#[cfg(test)]
mod tests;
