//! Paths that the host does not have, for programs that expect files there.
//!
//! Nothing is made on the host: the nearest folder above the path is shown with the path laid over it, in the program's own
//! mount table.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{Program, text};
use crate::{
    Pod,
    error::{Doing, Error, Result},
    files,
    sys::Step,
};

/// What makes room for those of the program's mounts whose targets the host does not have.
pub(super) fn overlays(pod: &Pod, program: &Program) -> Result<Vec<Step>> {
    // Of a file system of its own, since the folder that it is laid over may be one that the lab lies in.
    let layer = pod.dir().join("mount-points");
    let mut made = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for bind in program.binds.iter().filter(|bind| !bind.target.exists()) {
        let bad = |why: &str| Error::BadSpec { what: format!("mount {}", bind.target.display()), why: why.to_owned() };
        if !bind.target.is_absolute() || bind.target.components().any(|part| part == Component::ParentDir) {
            return Err(bad("a path to mount at begins with / and has no .. in it"));
        }
        let above = bind.target.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        if above == Path::new("/") {
            return Err(bad("the host has no folder above it but /; choose one such as /etc/tls"));
        }
        let below = bind.target.strip_prefix(above).unwrap_or(&bind.target);
        // Where it really is: /var/run is /run.
        let folder = above.canonicalize().doing_to("find", above)?;
        let point = inside(&layer, &folder).join(below);
        let parents = point.ancestors().skip(1).take_while(|parent| *parent != layer);
        made.extend(parents.map(|parent| (parent.to_path_buf(), MountPoint::Folder)));
        made.insert((point, if bind.source.is_dir() { MountPoint::Folder } else { MountPoint::File }));
        folders.insert(folder);
    }
    if folders.is_empty() {
        return Ok(Vec::new());
    }
    files::make_dir(&layer)?;
    let mut steps = vec![Step::Tmpfs(text(&layer)?)];
    // In order, so that a folder comes before what is in it.
    for (path, point) in made {
        let path = text(&path)?;
        steps.push(match point {
            MountPoint::Folder => Step::MakeFolder(path),
            MountPoint::File => Step::MakeFile(path),
        });
    }
    for folder in folders {
        steps.push(overlay(pod, &layer, &folder)?);
    }
    Ok(steps)
}

/// What is mounted on: a folder on a folder, a file on a file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum MountPoint {
    Folder,
    File,
}

/// An absolute path, as one below `layer`.
fn inside(layer: &Path, folder: &Path) -> PathBuf {
    layer.join(folder.strip_prefix("/").unwrap_or(folder))
}

fn overlay(pod: &Pod, layer: &Path, folder: &Path) -> Result<Step> {
    let lab = fs::canonicalize(&pod.shared.dir).doing_to("find", &pod.shared.dir)?;
    // The kernel takes both signs for its own (Documentation/filesystems/overlayfs.rst).
    let escaped =
        |path: &Path| path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
    let options = format!("lowerdir={}:{}", escaped(&inside(layer, folder)), escaped(folder));
    Ok(Step::Overlay {
        options: text(Path::new(&options))?,
        target: text(folder)?,
        // Logs and sockets lie in the lab's folder: it stays what it is, also below what is laid over.
        keep: lab.starts_with(folder).then(|| text(&lab)).transpose()?,
    })
}
