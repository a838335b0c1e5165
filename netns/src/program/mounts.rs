//! Mounts of a program, at any path.
//!
//! Nothing is created on the host: a folder that lacks a mount point is overlaid with one, and if `/` lacks it, the program gets a
//! separate root with everything from the host in it. All mounts are in the program's mount namespace, and end with it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{Program, bind, text};
use crate::{
    Bind, Pod,
    error::{Doing, Error, Result},
    files,
    sys::Step,
};

/// The steps that create mount points for targets that the host does not have.
pub(super) fn make_room(pod: &Pod, program: &Program) -> Result<Vec<Step>> {
    // On a separate file system, since the overlaid folder may contain the lab's folder.
    let layer = pod.dir().join("mount-points");
    let mut made = BTreeSet::new();
    let mut folders = BTreeSet::new();
    let mut in_root = BTreeSet::new();
    for bind in program.binds.iter().filter(|bind| !bind.target.exists() && !is_inside_another(bind, program)) {
        let bad = |why: &str| Error::BadSpec { what: format!("mount {}", bind.target.display()), why: why.to_owned() };
        if !bind.target.is_absolute() || bind.target.components().any(|part| part == Component::ParentDir) {
            return Err(bad("a mount path must be absolute and must not contain .."));
        }
        let above = bind.target.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let below = bind.target.strip_prefix(above).unwrap_or(&bind.target);
        let kind = if bind.source.is_dir() { MountPoint::Folder } else { MountPoint::File };
        if above == Path::new("/") {
            in_root.extend(with_parents(below, kind));
            continue;
        }
        // Resolve symbolic links: /var/run is /run.
        let folder = above.canonicalize().doing_to("find", above)?;
        let point = inside(&layer, &folder).join(below);
        made.extend(with_parents(point.strip_prefix(&layer).unwrap_or(&point), kind));
        folders.insert(folder);
    }
    let mut steps = Vec::new();
    if !folders.is_empty() {
        files::make_dir(&layer)?;
        steps.push(Step::Tmpfs(text(&layer)?));
        for (path, point) in made {
            steps.push(point.make(&layer.join(path))?);
        }
        for folder in folders {
            steps.push(overlay(pod, &layer, &folder)?);
        }
    }
    if !in_root.is_empty() {
        steps.extend(own_root(pod, in_root)?);
    }
    Ok(steps)
}

/// Mounts the program's files and folders, nested ones after those around them. The lab's folder stays visible: programs write their
/// keys there, and signal their readiness.
pub(super) fn binds(pod: &Pod, program: &Program) -> Result<Vec<Step>> {
    let lab = fs::canonicalize(&pod.shared.dir).doing_to("find", &pod.shared.dir)?;
    let mut sorted: Vec<&Bind> = program.binds.iter().collect();
    sorted.sort_by_key(|bind| bind.target.components().count());
    let mut steps = Vec::new();
    for Bind { source, target } in sorted.iter().copied() {
        let outer = sorted.iter().filter(|other| other.target != *target && target.starts_with(&other.target));
        if let Some(outer) = outer.max_by_key(|outer| outer.target.components().count()) {
            let below = target.strip_prefix(&outer.target).unwrap_or(target);
            let kind = if source.is_dir() { MountPoint::Folder } else { MountPoint::File };
            for (path, point) in with_parents(below, kind) {
                steps.push(point.make(&outer.target.join(path))?);
            }
        }
        if hides(target, &lab) && source.is_dir() {
            let on_the_way = lab.ancestors().take_while(|folder| *folder != target && hides(target, folder));
            let mut folders = on_the_way.map(text).collect::<Result<Vec<_>>>()?;
            folders.reverse();
            let (source, target) = (text(&std::path::absolute(source).doing_to("find", source)?)?, text(target)?);
            steps.push(Step::BindAround { source, target, folders, keep: text(&lab)? });
        } else {
            steps.push(bind(source, target)?);
        }
    }
    Ok(steps)
}

/// Whether a mount at `target` hides a path of the host.
pub(super) fn hides(target: &Path, path: &Path) -> bool {
    let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    path.canonicalize().unwrap_or_else(|_| path.to_owned()).starts_with(target)
}

fn is_inside_another(bind: &Bind, program: &Program) -> bool {
    program.binds.iter().any(|other| other.target != bind.target && bind.target.starts_with(&other.target))
}

/// A mount point: a folder for a folder, a file for a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MountPoint {
    Folder,
    File,
}

impl MountPoint {
    fn make(self, path: &Path) -> Result<Step> {
        let path = text(path)?;
        Ok(match self {
            Self::Folder => Step::MakeFolder(path),
            Self::File => Step::MakeFile(path),
        })
    }
}

/// A relative mount point, and the folders on the way to it, in the order of their creation.
fn with_parents(path: &Path, kind: MountPoint) -> Vec<(PathBuf, MountPoint)> {
    let folders = path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    let mut all: Vec<_> = folders.map(|parent| (parent.to_owned(), MountPoint::Folder)).collect();
    all.reverse();
    all.push((path.to_owned(), kind));
    all
}

/// A separate root: initially empty, with everything from the host's root, and the mount points.
fn own_root(pod: &Pod, points: BTreeSet<(PathBuf, MountPoint)>) -> Result<Vec<Step>> {
    let root = pod.dir().join("root");
    files::make_dir(&root)?;
    let mut steps = vec![Step::Tmpfs(text(&root)?)];
    let entries =
        fs::read_dir("/").and_then(Iterator::collect::<std::io::Result<Vec<_>>>).doing_to("read", Path::new("/"))?;
    let mut entries: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    // The folder that contains the new root comes first, while the root is empty.
    entries.sort_by_key(|path| (!root.starts_with(path), path.clone()));
    for path in entries {
        let shown = inside(&root, &path);
        let kind = path.symlink_metadata().doing_to("look at", &path)?.file_type();
        if kind.is_symlink() {
            let leads_to = fs::read_link(&path).doing_to("read", &path)?;
            steps.push(Step::Link { path: text(&shown)?, leads_to: text(&leads_to)? });
        } else if kind.is_dir() {
            steps.push(Step::MakeFolder(text(&shown)?));
            steps.push(Step::BindAll { source: text(&path)?, target: text(&shown)? });
        } else if kind.is_file() {
            steps.push(Step::MakeFile(text(&shown)?));
            steps.push(bind(&path, &shown)?);
        }
    }
    for (path, point) in points {
        steps.push(point.make(&root.join(path))?);
    }
    steps.push(Step::Root(text(&root)?));
    Ok(steps)
}

/// An absolute path, as one below `layer`.
fn inside(layer: &Path, folder: &Path) -> PathBuf {
    layer.join(folder.strip_prefix("/").unwrap_or(folder))
}

fn overlay(pod: &Pod, layer: &Path, folder: &Path) -> Result<Step> {
    let lab = fs::canonicalize(&pod.shared.dir).doing_to("find", &pod.shared.dir)?;
    // Both characters are special in mount options (Documentation/filesystems/overlayfs.rst).
    let escaped =
        |path: &Path| path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
    let options = format!("lowerdir={}:{}", escaped(&inside(layer, folder)), escaped(folder));
    Ok(Step::Overlay {
        options: text(Path::new(&options))?,
        target: text(folder)?,
        // Logs and sockets are in the lab's folder, which stays visible also inside an overlaid folder.
        keep: lab.starts_with(folder).then(|| text(&lab)).transpose()?,
    })
}
