//! Reads and resolves manifest files, and finds pods in the result.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use mesh::{
    Addresses, Fault, Loaded, Objects, Severity, SourceFile,
    model::{Flavor, Mesh, Resolved},
};
use thiserror::Error;

use crate::{
    report::words::{did_you_mean, listed},
    terminal::noteln,
};

/// The namespace of objects without one.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Manifests with errors: every fault, one per line.
#[derive(Debug, Error)]
#[error("{}", lines(faults))]
pub struct BadManifests {
    /// The faults, including warnings.
    pub faults: Vec<Fault>,
}

/// Files without a manifest in them.
#[derive(Debug, Error)]
#[error("no manifests in {}: expected Kubernetes or Istio objects as YAML or JSON", named(files))]
pub struct NoManifests {
    /// Their names, as given.
    pub files: Vec<String>,
}

impl NoManifests {
    /// The error for these files.
    pub fn in_files(files: &[SourceFile]) -> Self {
        Self { files: files.iter().map(|file| file.name.clone()).collect() }
    }
}

fn named(files: &[String]) -> String {
    if files.is_empty() { "no file".to_owned() } else { files.join(", ") }
}

/// A name that no pod has.
#[derive(Debug, Error)]
#[error("no pod {name:?}{}; there are: {}", did_you_mean(name, self.names()), listed(pods))]
pub struct NoSuchPod {
    /// As given.
    pub name: String,
    /// The namespace assumed for a name without one.
    pub namespace: String,
    pub pods: Vec<String>,
}

impl NoSuchPod {
    /// Every spelling of the existing names.
    fn names(&self) -> impl Iterator<Item = &str> {
        let short = |pod: &str| Some(pod.strip_suffix(self.namespace.as_str())?.strip_suffix('.')?.len());
        self.pods.iter().flat_map(move |pod| [Some(pod.as_str()), short(pod).map(|length| &pod[..length])]).flatten()
    }
}

fn lines(faults: &[Fault]) -> String {
    let listed = faults.iter().filter(|fault| fault.severity != Severity::Note);
    listed.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads files of manifests: each path is a file, a folder whose `.yaml`, `.yml` and `.json` files are read in order of
/// name, or `-` for standard input.
///
/// # Errors
/// If a file can't be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("can't read standard input")?;
            files.push(SourceFile { name: "<stdin>".into(), text });
        } else if path.is_dir() {
            for file in folder(path)? {
                files.push(read_file(&file)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

fn folder(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).with_context(|| format!("can't read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            file.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
        })
        .collect();
    // Beside manifests of this name it says what is expected of them.
    if files.iter().any(|file| file.file_name().is_some_and(|name| name == "manifests.yaml")) {
        files.retain(|file| file.file_name().is_none_or(|name| name != "scenario.yaml"));
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<SourceFile> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

/// Resolves manifests, and returns the warnings, too.
///
/// # Errors
/// [`NoManifests`], or [`BadManifests`] with every fault.
pub fn resolve(files: &[SourceFile]) -> Result<(Arc<Resolved>, Vec<Fault>)> {
    let loaded = mesh::load(files);
    // An empty result for an empty file would look like success. An unreadable document is a fault, not an empty file.
    if loaded.manifests.heads().next().is_none() && loaded.manifests.set_aside.is_empty() && loaded.faults.is_empty() {
        bail!(NoManifests::in_files(files));
    }
    resolve_loaded(loaded, &Addresses::default(), files)
}

/// Resolves the objects of a lab, whose pods and services keep their addresses. Faults of objects that came from `files` are located
/// there.
///
/// # Errors
/// [`BadManifests`].
pub fn resolve_objects(
    objects: &Objects,
    kept: &Addresses,
    files: &[SourceFile],
) -> Result<(Arc<Resolved>, Vec<Fault>)> {
    resolve_loaded(objects.load(), kept, files)
}

/// Faults that have no place yet are located in `files`.
fn resolve_loaded(loaded: Loaded, kept: &Addresses, files: &[SourceFile]) -> Result<(Arc<Resolved>, Vec<Fault>)> {
    let located = |mut faults: Vec<Fault>| {
        mesh::locate(files, &mut faults);
        faults
    };
    if loaded.has_errors() {
        bail!(BadManifests { faults: located(loaded.faults) });
    }
    let (resolved, mut faults) =
        mesh::resolve_at(&loaded.manifests, kept).map_err(|faults| BadManifests { faults: located(faults) })?;
    faults.extend(loaded.faults);
    let mut faults = located(faults);
    faults.sort();
    faults.dedup();
    Ok((resolved.into(), faults))
}

/// Reads and resolves manifests, and reports warnings on standard error.
///
/// # Errors
/// If a file can't be read, and as for [`resolve`].
pub fn resolve_files(paths: &[PathBuf]) -> Result<Arc<Resolved>> {
    let (resolved, warnings) = resolve(&read(paths)?)?;
    print_warnings(&warnings);
    Ok(resolved)
}

/// The meshes of these flavours that the manifests define.
pub fn meshes(resolved: &Arc<Resolved>, flavors: &[Flavor]) -> Vec<Mesh> {
    flavors.iter().map(|flavor| Mesh::new(Arc::clone(resolved), *flavor)).collect()
}

/// Prints warnings to standard error, one per line.
pub fn print_warnings<'a>(warnings: impl IntoIterator<Item = &'a Fault>) {
    for warning in warnings.into_iter().filter(|fault| fault.severity != Severity::Note) {
        noteln!("{warning}");
    }
}

/// The pod with a name, `POD` or `POD.NAMESPACE`.
///
/// # Errors
/// [`NoSuchPod`].
pub fn find_pod(mesh: &Resolved, name: &str, namespace: &str) -> Result<usize, NoSuchPod> {
    mesh.pod(name, namespace).ok_or_else(|| NoSuchPod {
        name: name.into(),
        namespace: namespace.into(),
        pods: mesh.pods.iter().map(|pod| pod.name.to_string()).collect(),
    })
}
