//! The labs of this host: where they are kept, which of them are alive, and how they are removed.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{
    error::{Doing, Error, Result},
    namespace::{IP_NETNS, Namespace},
    privilege, processes,
    state::{Entry, Journal, ProcessRecord},
};

/// How a lab stands with the process that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabState {
    /// Its creator runs, and removes it when done.
    InUse,
    /// Its creator left it up on purpose.
    LeftUp,
    /// Its creator was killed before it could remove it.
    Stale,
}

/// One lab of this host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LabSummary {
    /// Its id, such as `sl-3f9a`.
    pub id: String,
    /// The name that its creator gave it.
    pub name: Option<String>,
    /// How it stands with its creator.
    pub state: LabState,
    /// The names of its pods, in the order in which they were made.
    pub pods: Vec<String>,
    /// The processes that were started in it and still run.
    pub processes: Vec<ProcessRecord>,
}

/// The labs of this host, by id.
///
/// # Errors
///
/// When the folder of labs cannot be read. A lab whose state file is damaged is listed without its pods.
pub fn labs() -> Result<Vec<LabSummary>> {
    let Some(base) = Base::lock_existing()? else {
        return Ok(Vec::new());
    };
    let mut labs = Vec::new();
    for id in base.ids()? {
        let dir = base.path.join(&id);
        let entries = Journal::read(&dir).unwrap_or_default();
        let mut summary =
            LabSummary { id, name: None, state: state(&dir, &entries), pods: Vec::new(), processes: Vec::new() };
        for entry in entries {
            match entry {
                Entry::Lab { name, .. } => summary.name = name,
                Entry::Pod(pod) => summary.pods.push(pod.name),
                Entry::Process(process) if process.is_running() => summary.processes.push(process),
                _ => {}
            }
        }
        labs.push(summary);
    }
    Ok(labs)
}

/// Removes one lab, whoever made it and whether or not that process still runs.
///
/// # Errors
///
/// [`Error::NoLab`] when there is none; [`Error::NotRemoved`] names what could not be removed.
pub fn sweep(id: &str) -> Result<()> {
    let base = privilege::labs_dir();
    let dir = base.join(id);
    if id.is_empty() || id.contains('/') || !dir.is_dir() {
        return Err(Error::NoLab { id: id.to_owned(), base });
    }
    remove(id, &dir)
}

/// Removes every lab of this host, also those in use. Gives back their ids.
///
/// # Errors
///
/// The first lab that could not be wholly removed; the others are removed first.
pub fn sweep_all() -> Result<Vec<String>> {
    sweep_those(|_, _| true)
}

/// Removes the labs whose creators were killed, and no others. Gives back their ids.
///
/// # Errors
///
/// The first lab that could not be wholly removed; the others are removed first.
pub fn sweep_stale() -> Result<Vec<String>> {
    sweep_those(|dir, entries| state(dir, entries) == LabState::Stale)
}

fn sweep_those(which: impl Fn(&Path, &[Entry]) -> bool) -> Result<Vec<String>> {
    let ids: Vec<String> = {
        let Some(base) = Base::lock_existing()? else {
            return Ok(Vec::new());
        };
        let mut ids = base.ids()?;
        ids.retain(|id| {
            let dir = base.path.join(id);
            let entries = Journal::read(&dir).unwrap_or_default();
            which(&dir, &entries)
        });
        ids
    };
    let mut failed = None;
    for id in &ids {
        if let Err(error) = remove(id, &privilege::labs_dir().join(id)) {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(ids), Err)
}

/// Asks the lock that a living creator holds. Called with the folder of labs locked, so that no lab is half made.
fn state(dir: &Path, entries: &[Entry]) -> LabState {
    if entries.contains(&Entry::LeftUp) {
        return LabState::LeftUp;
    }
    match File::open(lock_file(dir)).map(|lock| lock.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => LabState::InUse,
        _ => LabState::Stale,
    }
}

/// The folder that holds the labs, locked against others who add or judge labs.
struct Base {
    path: PathBuf,
    _lock: File,
}

impl Base {
    /// Makes the folder where it is missing.
    fn lock() -> Result<Self> {
        loop {
            make_dir(&privilege::labs_dir())?;
            if let Some(base) = Self::lock_existing()? {
                return Ok(base);
            }
        }
    }

    /// `None` when there is no such folder, and so no lab.
    fn lock_existing() -> Result<Option<Self>> {
        let path = privilege::labs_dir();
        loop {
            let lock = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.doing_to("open", &path)?,
            };
            lock.lock().doing_to("lock", &path)?;
            let locked = lock.metadata().doing_to("look at", &path)?;
            // Whoever held the lock before us may have removed the folder with its last lab.
            if fs::metadata(&path).is_ok_and(|current| current.ino() == locked.ino()) {
                return Ok(Some(Self { path, _lock: lock }));
            }
        }
    }

    fn ids(&self) -> Result<Vec<String>> {
        let mut ids = list(&self.path)?;
        // Files beside the labs are others'.
        ids.retain(|id| self.path.join(id).is_dir());
        ids.sort();
        Ok(ids)
    }
}

/// The folder of a new lab, with the lock that tells others that its creator lives.
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) lock: File,
}

impl Claim {
    /// Takes an id that no lab of this host has.
    pub(crate) fn new() -> Result<Self> {
        let base = Base::lock()?;
        loop {
            let id = format!("sl-{:04x}", random()?);
            if fs::symlink_metadata(Path::new(IP_NETNS).join(format!("{id}-node"))).is_ok() {
                // A lab of another folder has it: `ip netns` knows one folder only.
                continue;
            }
            let dir = base.path.join(&id);
            match DirBuilder::new().create(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.doing_to("make", &dir)?,
            }
            open_to_all(&dir, 0o755)?;
            let path = lock_file(&dir);
            let lock = File::create_new(&path).doing_to("make", &path)?;
            lock.lock().doing_to("lock", &path)?;
            return Ok(Self { id, dir, lock });
        }
    }
}

/// Whether a lab's folder could be made here; where.
pub(crate) fn probe() -> Result<String> {
    let base = Base::lock()?;
    let detail = base.path.display().to_string();
    // Stays while it holds a lab.
    let _ = fs::remove_dir(&base.path);
    Ok(detail)
}

/// The folder of a lab that is up.
pub(crate) fn find(id: &str) -> Result<PathBuf> {
    let base = privilege::labs_dir();
    if labs()?.iter().any(|lab| lab.id == id) {
        Ok(base.join(id))
    } else {
        Err(Error::NoLab { id: id.to_owned(), base })
    }
}

/// The folder of a lab's namespaces: one file each, and each file is there before its namespace is.
pub(crate) fn namespaces_dir(lab: &Path) -> PathBuf {
    lab.join("ns")
}

/// Removes a lab: its processes, namespaces and files. The one way in which a lab ends.
///
/// Works from the files alone, so that it also removes what a killed creator or a damaged state file left.
pub(crate) fn remove(id: &str, dir: &Path) -> Result<()> {
    let folder = namespaces_dir(dir);
    let namespaces: Vec<Namespace> = list(&folder)
        .unwrap_or_default()
        .into_iter()
        .map(|name| Namespace::new(format!("{id}-{name}"), folder.join(name)))
        .collect();
    let mut left = processes::kill_all_in(&namespaces);
    for namespace in &namespaces {
        if let Err(error) = namespace.remove() {
            left.push(format!("namespace {}: {error}", namespace.name()));
        }
    }
    if left.is_empty()
        && let Err(error) = remove_folder(dir)
    {
        left.push(error.to_string());
    }
    if left.is_empty() { Ok(()) } else { Err(Error::NotRemoved { lab: id.to_owned(), left }) }
}

fn remove_folder(dir: &Path) -> Result<()> {
    let Some(base) = Base::lock_existing()? else {
        return Ok(());
    };
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).doing_to("remove", dir)?;
        }
        _ => {}
    }
    // Both fail while they hold something, and stay.
    let _ = fs::remove_dir(&base.path);
    let _ = fs::remove_dir(IP_NETNS);
    Ok(())
}

/// Makes a folder that everybody may pass, whatever the umask: programs run in pods as other users.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).doing_to("make", path)?;
    open_to_all(path, 0o755)
}

/// Writes a file that everybody may read, whatever the umask.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing_to("write", path)?;
    open_to_all(path, 0o644)
}

/// Sets permissions, whatever the umask.
pub(crate) fn open_to_all(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).doing_to("set permissions of", path)
}

fn lock_file(lab: &Path) -> PathBuf {
    lab.join("lock")
}

fn list(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).doing_to("list", dir)? {
        let entry = entry.doing_to("list", dir)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn random() -> Result<u16> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes))
        .doing(|| "read /dev/urandom".to_owned())?;
    Ok(u16::from_ne_bytes(bytes))
}
