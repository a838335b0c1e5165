//! Mount points that do not exist on the host.
//!
//! Nothing is created on the host: the nearest existing parent folder is overlaid with one that has the path in it, in the program's
//! own mount namespace.

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

/// The steps that create mount points for those of the program's binds whose targets do not exist on the host.
pub(super) fn overlays(pod: &Pod, program: &Program) -> Result<Vec<Step>> {
    // On a separate file system, since the folder that is overlaid may contain the lab's own.
    let layer = pod.dir().join("mount-points");
    let mut made = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for bind in program.binds.iter().filter(|bind| !bind.target.exists()) {
        let bad = |why: &str| Error::BadSpec { what: format!("mount {}", bind.target.display()), why: why.to_owned() };
        if !bind.target.is_absolute() || bind.target.components().any(|part| part == Component::ParentDir) {
            return Err(bad("a path to mount at is absolute and contains no .."));
        }
        let above = bind.target.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        if above == Path::new("/") {
            return Err(bad(
                "no parent folder except / exists on the host; choose a path below /etc, such as /etc/tls",
            ));
        }
        let below = bind.target.strip_prefix(above).unwrap_or(&bind.target);
        // The real path: /var/run is a link to /run.
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
    // Sorted, so that a folder comes before its contents.
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

/// The type of a mount point, which must match that of what is mounted on it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum MountPoint {
    Folder,
    File,
}

/// Moves an absolute path below `layer`.
fn inside(layer: &Path, folder: &Path) -> PathBuf {
    layer.join(folder.strip_prefix("/").unwrap_or(folder))
}

fn overlay(pod: &Pod, layer: &Path, folder: &Path) -> Result<Step> {
    let lab = fs::canonicalize(&pod.shared.dir).doing_to("find", &pod.shared.dir)?;
    // The separators of overlayfs options (Documentation/filesystems/overlayfs.rst).
    let escaped =
        |path: &Path| path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
    let options = format!("lowerdir={}:{}", escaped(&inside(layer, folder)), escaped(folder));
    Ok(Step::Overlay {
        options: text(Path::new(&options))?,
        target: text(folder)?,
        // Logs and sockets are in the lab's folder, which must stay writable even inside an overlaid folder.
        keep: lab.starts_with(folder).then(|| text(&lab)).transpose()?,
    })
}
