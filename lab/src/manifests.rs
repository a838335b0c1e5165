//! Manifests from files: reading, resolving, and finding pods in what they make.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use mesh::{
    Fault, SourceFile,
    model::{Flavor, Mesh},
};
use thiserror::Error;

/// The namespace of what names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Manifests that can't be used: every fault of theirs, a line each.
#[derive(Debug, Error)]
#[error("{}", lines(faults))]
pub struct BadManifests {
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// A name that no pod has.
#[derive(Debug, Error)]
#[error("no pod {name:?}; there are: {}", pods.join(", "))]
pub struct NoSuchPod {
    /// As given.
    pub name: String,
    /// Those that there are.
    pub pods: Vec<String>,
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads files of manifests: each path is a file, a folder whose `.yaml`, `.yml` and `.json` files are read in order of
/// name, or `-` for standard input.
///
/// # Errors
/// When one can't be read.
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
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<SourceFile> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    Ok(SourceFile { name: path.display().to_string(), text })
}

/// Resolves manifests into a mesh, and gives the warnings too.
///
/// # Errors
/// [`BadManifests`] with every fault.
pub fn resolve(files: &[SourceFile], flavor: Flavor) -> Result<(Mesh, Vec<Fault>), BadManifests> {
    let loaded = mesh::load(files);
    if loaded.has_errors() {
        return Err(BadManifests { faults: loaded.faults });
    }
    let (mesh, warnings) = mesh::resolve(&loaded.manifests, flavor).map_err(|faults| BadManifests { faults })?;
    let mut all = loaded.faults;
    all.extend(warnings);
    all.sort();
    all.dedup();
    Ok((mesh, all))
}

/// Reads manifests and resolves them in each of these meshes; warnings are told on standard error, once.
///
/// # Errors
/// When a file can't be read, or [`BadManifests`].
pub fn resolve_files(paths: &[PathBuf], flavors: &[Flavor]) -> Result<Vec<Mesh>> {
    let (meshes, warnings) = resolve_each(&read(paths)?, flavors)?;
    tell(&warnings);
    Ok(meshes)
}

/// Resolves manifests in each of these meshes, and gives each warning once.
///
/// # Errors
/// [`BadManifests`].
pub fn resolve_each(files: &[SourceFile], flavors: &[Flavor]) -> Result<(Vec<Mesh>, BTreeSet<Fault>), BadManifests> {
    let mut meshes = Vec::with_capacity(flavors.len());
    let mut told = BTreeSet::new();
    for flavor in flavors {
        let (mesh, warnings) = resolve(files, *flavor)?;
        meshes.push(mesh);
        told.extend(warnings);
    }
    Ok((meshes, told))
}

/// Tells warnings on standard error, a line each.
pub fn tell<'a>(warnings: impl IntoIterator<Item = &'a Fault>) {
    for warning in warnings {
        anstream::eprintln!("{warning}");
    }
}

/// The pod of a name, `POD` or `POD.NAMESPACE`.
///
/// # Errors
/// [`NoSuchPod`].
pub fn find_pod(mesh: &Mesh, name: &str, namespace: &str) -> Result<usize, NoSuchPod> {
    mesh.pod(name, namespace).ok_or_else(|| NoSuchPod {
        name: name.into(),
        pods: mesh.pods.iter().map(|pod| pod.name.to_string()).collect(),
    })
}
