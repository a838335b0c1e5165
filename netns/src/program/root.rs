//! The file system that a program sees: a private root, in a mount namespace that ends with it.
//!
//! A confined program sees the host's files, but cannot change them: only what is mounted for it is writable. The host's temporary
//! files, sockets, devices and processes, and the folder of all labs, are hidden from it. Nothing is created on the host: a folder that
//! lacks a mount point is overlaid with one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use super::{Program, text};
use crate::{
    Bind, OWN_FOLDER, Pod,
    error::{Doing, Error, Result},
    files,
    sys::Step,
};

/// Folders of which a confined program gets empty ones instead of the host's.
const TEMPORARY: [&str; 3] = ["/tmp", "/run", "/var/tmp"];

/// The devices that a confined program has, as in a container (OCI runtime specification, "Default Devices").
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Links in `/dev` (same place).
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
];

/// What of `/proc` is the whole host's, and therefore read-only, or hidden (the defaults of containerd, `oci/spec.go`).
const PROC_READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
const PROC_HIDDEN: [&str; 3] = ["kcore", "keys", "timer_list"];

/// Whose processes `/proc` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processes {
    /// Those of the program's own PID namespace.
    Own,
    /// The host's.
    Hosts,
}

/// The steps that make a program's root and enter it, and the path of the executable `file` in it.
pub(super) fn enter(pod: &Pod, program: &Program, file: &Path, processes: Processes) -> Result<(Vec<Step>, PathBuf)> {
    let root = folder(pod);
    files::make_dir(&root)?;
    let mut plan = Plan { root, hidden: hidden(pod)?, confined: !pod.spec().unconfined, steps: Vec::new() };
    let mut binds: Vec<Bind> = pod.etc_files().map(|(source, target)| Bind { source, target: target.into() }).into();
    binds.extend(program.binds.iter().cloned());
    for bind in &mut binds {
        bind.target = resolved(&bind.target)?;
    }
    let shown = plan.shown(program, file, &mut binds);
    // Nested ones come after those around them.
    binds.sort_by_key(|bind| bind.target.components().count());

    plan.hosts_entries(processes)?;
    let places: Vec<Place> = binds.iter().map(|bind| plan.place(&bind.target, &binds)).collect();
    let binds: Vec<(Bind, Place)> = binds.into_iter().zip(places).collect();
    plan.points_in_root(&binds)?;
    plan.overlays(pod, &binds)?;
    if plan.confined {
        plan.steps.push(Step::ReadOnly { path: text(&plan.root)?, all: true });
        plan.devices()?;
        plan.processes(processes)?;
        for folder in plan.hidden.clone() {
            if folder.is_dir() {
                plan.push(&folder, Step::Tmpfs)?;
            }
        }
    }
    plan.binds(&binds)?;
    plan.steps.push(Step::Root(text(&plan.root)?));
    Ok((plan.steps, shown))
}

/// The folder at which a pod's programs make their roots, each in its own mount namespace.
pub(super) fn folder(pod: &Pod) -> PathBuf {
    pod.dir().join("root")
}

/// The folders that the program gets empty ones of, without those inside others.
fn hidden(pod: &Pod) -> Result<Vec<PathBuf>> {
    if pod.spec().unconfined {
        return Ok(Vec::new());
    }
    let labs = pod.shared.dir.parent().unwrap_or(&pod.shared.dir);
    let labs = labs.canonicalize().doing_to("find", labs)?;
    let temporary = TEMPORARY.iter().filter_map(|folder| Path::new(folder).canonicalize().ok());
    let all: BTreeSet<PathBuf> = temporary.chain([labs]).collect();
    let is_inside = |folder: &PathBuf| all.iter().any(|other| other != folder && folder.starts_with(other));
    Ok(all.iter().filter(|folder| !is_inside(folder)).cloned().collect())
}

/// A mount's target with symbolic links of the host resolved: `/var/run` is `/run`. The part that the host lacks stays.
fn resolved(target: &Path) -> Result<PathBuf> {
    if !target.is_absolute() || target.components().any(|part| part == Component::ParentDir) {
        let why = "a mount path must be absolute and must not contain ..".to_owned();
        return Err(Error::BadSpec { what: format!("mount {}", target.display()), why });
    }
    let there = target.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let rest = target.strip_prefix(there).unwrap_or(target);
    let there = there.canonicalize().doing_to("find", there)?;
    // Joining nothing would add a slash.
    Ok(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
}

/// A root that is being planned.
struct Plan {
    /// Where it is made.
    root: PathBuf,
    /// Absolute paths of folders whose contents the program does not see.
    hidden: Vec<PathBuf>,
    confined: bool,
    steps: Vec<Step>,
}

impl Plan {
    /// A path of the program's, seen from outside while its root is made.
    fn inside(&self, path: &Path) -> PathBuf {
        below(&self.root, path)
    }

    /// Adds a step on a path of the program's.
    fn push(&mut self, path: &Path, step: impl FnOnce(std::ffi::CString) -> Step) -> Result<()> {
        self.steps.push(step(text(&self.inside(path))?));
        Ok(())
    }

    fn bind(&mut self, source: &Path, target: &Path) -> Result<()> {
        // A relative path would be resolved from another folder in the new process.
        let source = text(&std::path::absolute(source).doing_to("find", source)?)?;
        self.push(target, |target| Step::Bind { source, target })
    }

    fn is_hidden(&self, path: &Path) -> bool {
        self.hidden.iter().any(|folder| path.starts_with(folder))
    }

    /// Where a target's mount point is, or has to be made.
    fn place(&self, target: &Path, binds: &[Bind]) -> Place {
        if let Some(outer) = around(target, binds) {
            return Place::Within(outer.target.clone());
        }
        if let Some(folder) = self.hidden.iter().find(|folder| target.starts_with(folder)) {
            return Place::Within(folder.clone());
        }
        if target.exists() {
            return Place::There;
        }
        match target.ancestors().find(|folder| folder.is_dir()) {
            Some(folder) if folder != Path::new("/") => Place::Overlay(folder.to_owned()),
            _ => Place::Root,
        }
    }

    /// Where the program finds its executable: in a folder for it, if it could not reach the original.
    fn shown(&self, program: &Program, file: &Path, binds: &mut Vec<Bind>) -> PathBuf {
        let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let is_covered = binds.iter().any(|bind| [file, &real].iter().any(|path| path.starts_with(&bind.target)));
        // Another user may lack access to the folders around it.
        if program.user().is_none() && !is_covered && !self.is_hidden(&real) && !self.is_hidden(file) {
            return file.to_owned();
        }
        let shown = Path::new(OWN_FOLDER).join(file.file_name().unwrap_or("program".as_ref()));
        binds.push(Bind { source: file.to_owned(), target: shown.clone() });
        shown
    }

    /// Everything in the host's root.
    fn hosts_entries(&mut self, processes: Processes) -> Result<()> {
        self.steps.push(Step::Tmpfs(text(&self.root)?));
        let listed = fs::read_dir("/").and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut entries: Vec<_> =
            listed.doing_to("read", Path::new("/"))?.into_iter().map(|entry| entry.path()).collect();
        // The folder that contains the new root comes first, while the root is empty.
        entries.sort_by_key(|path| (!self.root.starts_with(path), path.clone()));
        for path in entries {
            let kind = path.symlink_metadata().doing_to("look at", &path)?.file_type();
            if kind.is_symlink() {
                let leads_to = text(&fs::read_link(&path).doing_to("read", &path)?)?;
                self.push(&path, |path| Step::Link { path, leads_to })?;
            } else if kind.is_dir() {
                self.push(&path, Step::MakeFolder)?;
                let is_made = path == Path::new("/dev") || path == Path::new("/proc") && processes == Processes::Own;
                if !(self.confined && (is_made || self.is_hidden(&path))) {
                    let source = text(&path)?;
                    self.push(&path, |target| Step::BindAll { source, target })?;
                }
            } else if kind.is_file() {
                self.push(&path, Step::MakeFile)?;
                self.bind(&path, &path)?;
            }
        }
        Ok(())
    }

    /// Mount points that the host's root lacks.
    fn points_in_root(&mut self, binds: &[(Bind, Place)]) -> Result<()> {
        for (Bind { source, target }, place) in binds {
            if *place == Place::Root {
                self.points(Path::new("/"), target, source)?;
            }
        }
        Ok(())
    }

    /// The mount point of a source, and the folders on the way to it from `folder`.
    fn points(&mut self, folder: &Path, target: &Path, source: &Path) -> Result<()> {
        let rest = target.strip_prefix(folder).unwrap_or(target);
        for (path, point) in with_parents(rest, MountPoint::of(source)) {
            self.push(&folder.join(path), |path| point.make(path))?;
        }
        Ok(())
    }

    /// Overlays for the mount points that folders of the host lack.
    fn overlays(&mut self, pod: &Pod, binds: &[(Bind, Place)]) -> Result<()> {
        // On a separate file system, since the overlaid folder may contain the lab's folder.
        let layer = pod.dir().join("mount-points");
        let (mut made, mut folders) = (BTreeSet::new(), BTreeSet::new());
        for (Bind { source, target }, place) in binds {
            if let Place::Overlay(folder) = place {
                made.extend(with_parents(target.strip_prefix("/").unwrap_or(target), MountPoint::of(source)));
                folders.insert(folder.clone());
            }
        }
        if folders.is_empty() {
            return Ok(());
        }
        files::make_dir(&layer)?;
        self.steps.push(Step::Tmpfs(text(&layer)?));
        for (path, point) in made {
            self.steps.push(point.make(text(&layer.join(path))?));
        }
        // Both characters are special in mount options (Documentation/filesystems/overlayfs.rst).
        let escaped =
            |path: &Path| path.display().to_string().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
        for folder in folders {
            let options = format!("lowerdir={}:{}", escaped(&below(&layer, &folder)), escaped(&folder));
            let options = text(Path::new(&options))?;
            self.push(&folder, |target| Step::Overlay { options, target })?;
        }
        Ok(())
    }

    fn devices(&mut self) -> Result<()> {
        let dev = Path::new("/dev");
        self.push(dev, Step::Tmpfs)?;
        for device in DEVICES.map(|name| dev.join(name)).iter().filter(|device| device.exists()) {
            self.push(device, Step::MakeFile)?;
            self.bind(device, device)?;
        }
        for (name, leads_to) in DEVICE_LINKS {
            let leads_to = text(Path::new(leads_to))?;
            self.push(&dev.join(name), |path| Step::Link { path, leads_to })?;
        }
        self.push(&dev.join("shm"), Step::MakeFolder)?;
        self.push(&dev.join("shm"), Step::Tmpfs)?;
        self.push(&dev.join("pts"), Step::MakeFolder)?;
        self.push(&dev.join("pts"), Step::Terminals)
    }

    fn processes(&mut self, processes: Processes) -> Result<()> {
        let proc = Path::new("/proc");
        if processes == Processes::Own {
            self.push(proc, Step::Processes)?;
        }
        for path in PROC_READ_ONLY.map(|name| proc.join(name)).iter().filter(|path| path.exists()) {
            self.bind(&self.inside(path), path)?;
            self.push(path, |path| Step::ReadOnly { path, all: false })?;
        }
        for path in PROC_HIDDEN.map(|name| proc.join(name)).iter().filter(|path| path.exists()) {
            self.bind(Path::new("/dev/null"), path)?;
        }
        Ok(())
    }

    /// Mounts the program's files and folders, at mount points that exist by now or are made on file systems of the lab's.
    fn binds(&mut self, binds: &[(Bind, Place)]) -> Result<()> {
        for (Bind { source, target }, place) in binds {
            if let Place::Within(folder) = place {
                self.points(folder, target, source)?;
            }
            self.bind(source, target)?;
        }
        Ok(())
    }
}

/// The place of a mount point.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The host has it.
    There,
    /// It is made in the new root.
    Root,
    /// It is made in an overlay of this folder of the host.
    Overlay(PathBuf),
    /// It is made in this folder, which is another mount, or empty at first.
    Within(PathBuf),
}

/// The innermost other mount that contains a target.
fn around<'a>(target: &Path, binds: &'a [Bind]) -> Option<&'a Bind> {
    let outer = binds.iter().filter(|other| other.target != *target && target.starts_with(&other.target));
    outer.max_by_key(|outer| outer.target.components().count())
}

/// A mount point: a folder for a folder, a file for a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MountPoint {
    Folder,
    File,
}

impl MountPoint {
    fn of(source: &Path) -> Self {
        if source.is_dir() { Self::Folder } else { Self::File }
    }

    fn make(self, path: std::ffi::CString) -> Step {
        match self {
            Self::Folder => Step::MakeFolder(path),
            Self::File => Step::MakeFile(path),
        }
    }
}

/// A relative mount point, and the folders on the way to it, in the order of their creation.
fn with_parents(path: &Path, kind: MountPoint) -> Vec<(PathBuf, MountPoint)> {
    let parts = path.ancestors().filter(|part| !part.as_os_str().is_empty());
    let mut all: Vec<_> = parts.map(|part| (part.to_owned(), MountPoint::Folder)).collect();
    if let Some((_, last)) = all.first_mut() {
        *last = kind;
    }
    all.reverse();
    all
}

/// An absolute path, as one below `folder`.
fn below(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path.strip_prefix("/").unwrap_or(path))
}
