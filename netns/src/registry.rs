//! The labs of this host: which of them there are, which are alive, and which folders are none.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    error::{Doing, Error, Result},
    files,
    namespace::IP_NETNS,
    removal::remove,
    run_folder::{Base, labs_dir},
    state::{Entry, Journal, ProcessRecord},
};

#[cfg(test)]
mod tests;

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
    /// The process that made it; `None` of a lab that was not wholly made.
    pub creator: Option<u32>,
    /// How it stands with its creator.
    pub state: LabState,
    /// The names of its pods, in the order in which they were made.
    pub pods: Vec<String>,
    /// The processes that were started in it and still run.
    pub processes: Vec<ProcessRecord>,
}

/// What lies among the labs and is none: nothing here touches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// Where.
    pub path: PathBuf,
    /// What a lab has that it lacks.
    pub why: String,
}

/// What lies in the folder of labs, by name.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The labs.
    pub labs: Vec<LabSummary>,
    /// The folders, and what is named as a lab is, that are no labs. Other files beside the labs are not listed.
    pub foreign: Vec<Foreign>,
}

/// What [`sweep_all`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// The ids of the labs that it removed.
    pub removed: Vec<String>,
    /// The labs that another process is using, and that are left to it.
    pub in_use: Vec<LabSummary>,
    /// What is no lab, and was left alone.
    pub foreign: Vec<Foreign>,
}

/// The labs of this host.
///
/// A lab is a folder that is named `sl-` and four hexadecimal digits, belongs to the user of this process, is no symbolic link, and
/// holds the state file of a lab.
///
/// # Errors
///
/// When the folder of labs cannot be read. A lab whose state file is damaged after its first line is listed without its pods.
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
            // Files beside the labs are others', and nobody takes them for labs.
            Err(why) if path.is_dir() || is_id(&name) => listing.foreign.push(Foreign { path, why: why.to_owned() }),
            Err(_) => {}
        }
    }
    Ok(listing)
}

/// Removes one lab, whoever made it and whether or not that process still runs.
///
/// # Errors
///
/// [`Error::BadLabId`] when that is no lab's id, [`Error::NoLab`] when there is none of that id, [`Error::NotALab`] when something else
/// has its name; [`Error::NotRemoved`] names what could not be removed.
pub fn sweep(id: &str) -> Result<()> {
    let dir = find(id)?;
    remove(id, &dir)
}

/// Removes every lab of this host, but those that another process is using only when `in_use_too`.
///
/// # Errors
///
/// The first lab that could not be wholly removed; the others are removed first.
pub fn sweep_all(in_use_too: bool) -> Result<Swept> {
    sweep_those(|state| in_use_too || state != LabState::InUse)
}

/// Removes the labs whose creators were killed, and no others.
///
/// # Errors
///
/// The first lab that could not be wholly removed; the others are removed first.
pub fn sweep_stale() -> Result<Swept> {
    sweep_those(|state| state == LabState::Stale)
}

fn sweep_those(which: impl Fn(LabState) -> bool) -> Result<Swept> {
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

/// The folder of a lab of this host.
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

/// Whether a name is one that labs have: `sl-` and four hexadecimal digits.
fn is_id(name: &str) -> bool {
    name.strip_prefix("sl-").is_some_and(|digits| {
        digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
    })
}

/// A folder that is a lab's, beyond doubt.
struct LabFolder<'a> {
    path: &'a Path,
    id: &'a str,
    /// What its state file says; nothing when it was not wholly made, or is damaged.
    entries: Vec<Entry>,
}

impl<'a> LabFolder<'a> {
    /// Tells a lab's folder from others'. Called with the folder of labs locked, so that no lab is half made.
    ///
    /// # Errors
    ///
    /// What a lab has that it lacks, as the end of a sentence.
    fn recognize(path: &'a Path, id: &'a str) -> Result<Self, &'static str> {
        if !is_id(id) {
            return Err("its name is not sl- and four hexadecimal digits");
        }
        let found = fs::symlink_metadata(path).map_err(|_| "it cannot be looked at")?;
        if !found.is_dir() {
            return Err("it is no folder");
        }
        if found.uid() != nix::unistd::geteuid().as_raw() {
            return Err("it belongs to another user");
        }
        if is_remnant(path) {
            return Ok(Self { path, id, entries: Vec::new() });
        }
        match Journal::begins(path) {
            true => Ok(Self { path, id, entries: Journal::read(path).unwrap_or_default() }),
            false => Err("it has no state file of a lab"),
        }
    }

    fn summary(self) -> LabSummary {
        let (mut name, mut creator, mut pods, mut processes) = (None, None, Vec::new(), Vec::new());
        let state = self.state();
        for entry in self.entries {
            match entry {
                Entry::Lab { name: given, creator: maker, .. } => (name, creator) = (given, Some(maker)),
                Entry::Pod(pod) => pods.push(pod.name),
                Entry::Process(process) if process.is_running() => processes.push(process),
                _ => {}
            }
        }
        LabSummary { id: self.id.to_owned(), name, creator, state, pods, processes }
    }

    /// Asks the lock that a living creator holds.
    fn state(&self) -> LabState {
        if self.entries.contains(&Entry::LeftUp) {
            return LabState::LeftUp;
        }
        match File::open(lock_file(self.path)).map(|lock| lock.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => LabState::InUse,
            _ => LabState::Stale,
        }
    }
}

/// Whether a folder holds nothing but empty files of a lab's names: its creator was killed in that moment, or whoever removed it. There
/// is nothing in it to lose.
fn is_remnant(path: &Path) -> bool {
    let is_ours = |name: &String| {
        [LOCK, Journal::FILE].contains(&name.as_str())
            && fs::symlink_metadata(path.join(name)).is_ok_and(|file| file.is_file() && file.len() == 0)
    };
    // A lab has a state file from its first moment on: one without it is empty but for the lock.
    files::list(path).is_ok_and(|names| names.iter().all(is_ours))
}

/// The folder of a new lab, with the lock that tells others that its creator lives.
pub(crate) struct Claim {
    pub(crate) id: String,
    pub(crate) dir: PathBuf,
    pub(crate) lock: File,
}

impl Claim {
    /// Takes an id that no lab of this host has, and begins the state file with `first`.
    pub(crate) fn new(first: &Entry) -> Result<Self> {
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
            return match Self::begin(&dir, first) {
                Ok(lock) => Ok(Self { id, dir, lock }),
                Err(error) => {
                    // The error that is passed on says more than a second one would.
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

/// Whether a lab's folder could be made here; where.
pub(crate) fn probe() -> Result<String> {
    let base = Base::lock()?;
    let detail = base.path.display().to_string();
    base.remove_if_empty();
    Ok(detail)
}

/// The folder of a lab's namespaces: one file each, and each file is there before its namespace is.
pub(crate) fn namespaces_dir(lab: &Path) -> PathBuf {
    lab.join("ns")
}

/// The file whose lock the creator of a lab holds.
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
