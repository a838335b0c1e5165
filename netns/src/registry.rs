//! The labs on this host: which exist, which are in use, and which folders are not labs.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    Privilege,
    error::{Doing, Error, Result},
    files,
    namespace::IP_NETNS,
    privilege,
    removal::remove,
    run_folder::{Base, labs_dir},
    state::{self, Entry, Journal, ProcessRecord},
};

#[cfg(test)]
mod tests;

/// The relation between a lab and the process that created it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabState {
    /// Its creator still runs, and removes it when done.
    InUse,
    /// Its creator left it up on purpose.
    LeftUp,
    /// Its creator was killed before it could remove it.
    Stale,
}

/// A lab on this host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LabSummary {
    /// Its id, such as `sl-3f9a`.
    pub id: String,
    /// From [`LabSpec::name`](crate::LabSpec::name).
    pub name: Option<String>,
    /// Pid of the creating process; `None` if creation was cut short.
    pub creator: Option<u32>,
    /// Whether its creator still runs.
    pub state: LabState,
    /// Names of its pods, in the order in which they were created.
    pub pods: Vec<String>,
    /// The processes that were started in it and still run.
    pub processes: Vec<ProcessRecord>,
}

/// Something among the labs that is not a lab. It is never touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Path of the file or folder.
    pub path: PathBuf,
    /// What is missing or wrong, compared with a lab.
    pub why: String,
}

/// The contents of the folder of labs, sorted by name.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// Labs, sorted by id.
    pub labs: Vec<LabSummary>,
    /// Folders, and anything named like a lab, that are not labs. Other files are not listed.
    pub foreign: Vec<Foreign>,
}

/// The result of [`sweep_all`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Ids of the labs that were removed.
    pub removed: Vec<String>,
    /// Labs that another process is using, which were left alone.
    pub in_use: Vec<LabSummary>,
    /// What was left alone because it is not a lab.
    pub foreign: Vec<Foreign>,
}

/// Lists the labs on this host.
///
/// A lab is a folder, not a symbolic link, that is named `sl-` and four hexadecimal digits, belongs to the user of this process, and
/// contains a lab's state file.
///
/// # Errors
///
/// If the folder of labs cannot be read. A lab whose state file is damaged after its first line is listed without its pods.
pub fn labs() -> Result<Listing> {
    let Some(base) = Base::lock_existing()? else {
        return Ok(Listing::default());
    };
    let mut listing = Listing::default();
    let mut names = files::list(&base.path)?;
    names.sort();
    for name in names {
        let path = base.path.join(&name);
        match LabFolder::recognize(&path, &name) {
            Ok(lab) => listing.labs.push(lab.summary()),
            // Plain files beside the labs belong to others, and are not mistaken for labs.
            Err(why) if path.is_dir() || is_id(&name) => listing.foreign.push(Foreign { path, why: why.to_owned() }),
            Err(_) => {}
        }
    }
    Ok(listing)
}

/// Makes a lab's namespaces visible to this process, which an ordinary user's are only from inside. Call it before
/// [`Lab::open`](crate::Lab::open), while this process has a single thread. Does nothing as root.
///
/// # Errors
///
/// [`Error::NoLab`] if there is none; if the process that keeps it is gone, and with it its namespaces.
pub fn enter(id: &str) -> Result<()> {
    if Privilege::current().is_some() {
        return Ok(());
    }
    let dir = find(id)?;
    let creator = Journal::read(&dir)?.into_iter().find_map(|entry| match entry {
        Entry::Lab { creator, .. } => Some(creator),
        _ => None,
    });
    privilege::enter_namespaces_of(creator.ok_or_else(|| Error::NoLab { id: id.to_owned(), base: dir })?)
}

/// Removes one lab, no matter who created it and whether that process still runs.
///
/// # Errors
///
/// [`Error::BadLabId`] if `id` is malformed, [`Error::NoLab`] if there is no such lab, [`Error::NotALab`] if something else
/// has its name; [`Error::NotRemoved`] names what could not be removed.
pub fn sweep(id: &str) -> Result<()> {
    let dir = find(id)?;
    remove(id, &dir)
}

/// Removes all labs on this host; those that another process is using only if `in_use_too`.
///
/// # Errors
///
/// The first lab that could not be removed completely, after all others were removed.
pub fn sweep_all(in_use_too: bool) -> Result<Swept> {
    sweep_where(|state| in_use_too || state != LabState::InUse)
}

/// Removes the labs whose creators were killed, and no others.
///
/// # Errors
///
/// The first lab that could not be removed completely, after all others were removed.
pub fn sweep_stale() -> Result<Swept> {
    sweep_where(|state| state == LabState::Stale)
}

fn sweep_where(which: impl Fn(LabState) -> bool) -> Result<Swept> {
    let base = labs_dir();
    let Listing { labs, foreign } = labs()?;
    let (chosen, others): (Vec<_>, Vec<_>) = labs.into_iter().partition(|lab| which(lab.state));
    let mut swept = Swept { foreign, ..Swept::default() };
    swept.in_use = others.into_iter().filter(|lab| lab.state == LabState::InUse).collect();
    let mut failed = None;
    for LabSummary { id, .. } in chosen {
        match remove(&id, &base.join(&id)) {
            Ok(()) => swept.removed.push(id),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(swept), Err)
}

/// The folder of the lab `id`.
pub(crate) fn find(id: &str) -> Result<PathBuf> {
    if !is_id(id) {
        return Err(Error::BadLabId { id: id.to_owned() });
    }
    let none = || Error::NoLab { id: id.to_owned(), base: labs_dir() };
    let base = Base::lock_existing()?.ok_or_else(none)?;
    let path = base.path.join(id);
    if fs::symlink_metadata(&path).is_err() {
        return Err(none());
    }
    match LabFolder::recognize(&path, id) {
        Ok(_) => Ok(path),
        Err(why) => Err(Error::NotALab { path, why }),
    }
}

/// Whether a name has the form of a lab id: `sl-` and four hexadecimal digits.
fn is_id(name: &str) -> bool {
    name.strip_prefix("sl-").is_some_and(|digits| {
        digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    })
}

/// A folder that is certainly a lab's.
struct LabFolder<'a> {
    path: &'a Path,
    id: &'a str,
    /// From its state file; empty if that is incomplete or damaged.
    entries: Vec<Entry>,
}

impl<'a> LabFolder<'a> {
    /// Recognizes a lab's folder. Must be called with the folder of labs locked, so that no lab is in the middle of being created.
    ///
    /// # Errors
    ///
    /// What is missing or wrong, as a clause.
    fn recognize(path: &'a Path, id: &'a str) -> Result<Self, &'static str> {
        if !is_id(id) {
            return Err("its name is not sl- and four hexadecimal digits");
        }
        let found = fs::symlink_metadata(path).map_err(|_| "it cannot be read")?;
        if !found.is_dir() {
            return Err("it is not a folder");
        }
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return Err("it belongs to another user");
        }
        if is_remnant(path) {
            return Ok(Self { path, id, entries: Vec::new() });
        }
        match Journal::begins(path) {
            true => Ok(Self { path, id, entries: Journal::read(path).unwrap_or_default() }),
            false => Err("it has no lab's state file"),
        }
    }

    fn summary(self) -> LabSummary {
        let (mut name, mut creator, mut processes) = (None, None, Vec::new());
        let pods = state::pods(&self.entries).into_iter().map(|pod| pod.name.clone()).collect();
        let state = self.state();
        for entry in self.entries {
            match entry {
                Entry::Lab { name: given, creator: maker, .. } => (name, creator) = (given, Some(maker)),
                Entry::Process(process) if process.is_running() => processes.push(process),
                _ => {}
            }
        }
        LabSummary { id: self.id.to_owned(), name, creator, state, pods, processes }
    }

    /// Whether the process that keeps it still runs.
    fn is_kept(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry, Entry::Lab { creator, .. } if state::is_alive(*creator)))
    }

    /// Tests the lock that a live creator holds.
    fn state(&self) -> LabState {
        if self.entries.contains(&Entry::LeftUp) {
            // An ordinary user's lab ends with the process that keeps it.
            let is_there = Privilege::current() == Some(Privilege::Root) || self.is_kept();
            return if is_there { LabState::LeftUp } else { LabState::Stale };
        }
        match File::open(lock_file(self.path)).map(|lock| lock.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => LabState::InUse,
            _ => LabState::Stale,
        }
    }
}

/// Whether a folder contains at most empty files with a lab's names: its creator, or a process that was removing it, was killed at
/// that moment. There is nothing in it to lose.
fn is_remnant(path: &Path) -> bool {
    let is_ours = |name: &String| {
        [LOCK, Journal::FILE].contains(&name.as_str())
            && fs::symlink_metadata(path.join(name)).is_ok_and(|file| file.is_file() && file.len() == 0)
    };
    // A lab has a state file from the start: a folder without one contains at most an empty lock file.
    files::list(path).is_ok_and(|names| names.iter().all(is_ours))
}

/// The folder of a new lab, with the lock that marks it as in use.
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) lock: File,
}

impl Claim {
    /// Picks an unused id, and starts the state file with `first`.
    pub(crate) fn new(first: &Entry) -> Result<Self> {
        let base = Base::lock()?;
        loop {
            let id = format!("sl-{:04x}", random()?);
            if fs::symlink_metadata(Path::new(IP_NETNS).join(format!("{id}-node"))).is_ok() {
                // Used by a lab in another folder: `ip netns` has a single folder for all.
                continue;
            }
            let dir = base.path.join(&id);
            match DirBuilder::new().create(&dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.doing_to("make", &dir)?,
            }
            return match Self::begin(&dir, first) {
                Ok(lock) => Ok(Self { id, dir, lock }),
                Err(error) => {
                    // The first error says more than a second one would.
                    let _ = fs::remove_dir_all(&dir);
                    Err(error)
                }
            };
        }
    }

    fn begin(dir: &Path, first: &Entry) -> Result<File> {
        files::set_mode(dir, 0o755)?;
        let path = lock_file(dir);
        let lock = File::create_new(&path).doing_to("make", &path)?;
        lock.lock().doing_to("lock", &path)?;
        Journal::create(dir)?.record(first)?;
        Ok(lock)
    }
}

/// Checks that a lab's folder can be created; returns where.
pub(crate) fn probe() -> Result<String> {
    let base = Base::lock()?;
    let detail = base.path.display().to_string();
    base.remove_if_empty();
    Ok(detail)
}

/// The file that the creator of a lab holds locked.
const LOCK: &str = "lock";

fn lock_file(lab: &Path) -> PathBuf {
    lab.join(LOCK)
}

fn random() -> Result<u16> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")
        .and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes))
        .doing(|| "read /dev/urandom".to_owned())?;
    Ok(u16::from_ne_bytes(bytes))
}
