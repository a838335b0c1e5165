//! The folder that holds the labs: where it is, how it is made, and the lock on it.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{self, Path, PathBuf},
};

use nix::{errno::Errno, fcntl::OFlag};

use crate::{
    Privilege,
    error::{Doing, Error, Result},
    files, privilege,
};

#[cfg(test)]
mod tests;

/// The variable that names the folder.
const VARIABLE: &str = "SIDELAB_RUN_DIR";

/// The folder that holds the labs: the one that `SIDELAB_RUN_DIR` names, else `/run/sidelab` for root, a folder of the user's own
/// otherwise. It is there while there are labs, or files that others keep beside them.
pub fn labs_dir() -> PathBuf {
    RunFolder::find().path
}

/// Makes the [folder of the labs](labs_dir) where it is missing, for files that are kept beside them.
///
/// # Errors
///
/// [`Error::UnsafeFolder`] when somebody else made it.
pub fn make_labs_dir() -> Result<PathBuf> {
    let folder = RunFolder::find();
    folder.make()?;
    folder.open()?;
    Ok(folder.path)
}

/// Where the labs are.
struct RunFolder {
    path: PathBuf,
    /// Whether the user named it: then it may be reached by symbolic links, and stays when the last lab is gone.
    is_named: bool,
    /// The mode that it is made with. As root, other users' programs run in it.
    mode: u32,
}

impl RunFolder {
    fn find() -> Self {
        let is_root = Privilege::current() == Some(Privilege::Root);
        let mode = if is_root { 0o755 } else { 0o700 };
        if let Some(named) = env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
            let path = path::absolute(&named).unwrap_or_else(|_| named.into());
            return Self { path, is_named: true, mode };
        }
        let path = match env::var_os("XDG_RUNTIME_DIR") {
            _ if is_root => PathBuf::from("/run/sidelab"),
            Some(own) => Path::new(&own).join("sidelab"),
            None => env::temp_dir().join(format!("sidelab-{}", privilege::uid_outside())),
        };
        Self { path, is_named: false, mode }
    }

    /// Makes it where it is missing. One that is there keeps its mode: it may be the user's.
    fn make(&self) -> Result<()> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).doing_to("make", parent)?;
        }
        match DirBuilder::new().mode(self.mode).create(&self.path) {
            Ok(()) => files::set_mode(&self.path, self.mode),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).doing_to("make", &self.path),
        }
    }

    /// Opens it; `None` when it is not there.
    fn open(&self) -> Result<Option<File>> {
        let follow = if self.is_named { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let opened = OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | follow).bits()).open(&self.path);
        let folder = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::ENOTDIR as i32) => {
                return Err(self.unsafe_because("it is no folder, or a symbolic link".to_owned()));
            }
            opened => opened.doing_to("open", &self.path)?,
        };
        if !self.is_named {
            let found = folder.metadata().doing_to("look at", &self.path)?;
            if found.uid() != nix::unistd::geteuid().as_raw() {
                return Err(self.unsafe_because("it belongs to another user".to_owned()));
            }
            if found.mode() & 0o022 != 0 {
                return Err(
                    self.unsafe_because(format!("other users may write to it (mode {:04o})", found.mode() & 0o7777))
                );
            }
        }
        Ok(Some(folder))
    }

    fn unsafe_because(&self, why: String) -> Error {
        Error::UnsafeFolder { path: self.path.clone(), why }
    }

    /// As root, programs run as other users, which have to pass through this folder and those above it.
    fn check_passable(&self) -> Result<()> {
        if Privilege::current() != Some(Privilege::Root) {
            return Ok(());
        }
        let real = fs::canonicalize(&self.path).doing_to("find", &self.path)?;
        for folder in real.ancestors() {
            let mode = fs::metadata(folder).doing_to("look at", folder)?.permissions().mode();
            if mode & 0o001 == 0 {
                let why = format!(
                    "sidecars run as uid 1337 and can't pass {0} (mode {1:04o}); `chmod o+x {0}`",
                    folder.display(),
                    mode & 0o7777
                );
                return Err(self.unsafe_because(why));
            }
        }
        Ok(())
    }
}

/// The folder that holds the labs, locked against others who add or judge labs.
pub(crate) struct Base {
    pub(crate) path: PathBuf,
    is_named: bool,
    _lock: File,
}

impl Base {
    /// Makes the folder where it is missing.
    pub(crate) fn lock() -> Result<Self> {
        let folder = RunFolder::find();
        loop {
            folder.make()?;
            if let Some(base) = Self::lock_existing()? {
                folder.check_passable()?;
                return Ok(base);
            }
        }
    }

    /// `None` when there is no such folder, and so no lab.
    pub(crate) fn lock_existing() -> Result<Option<Self>> {
        let folder = RunFolder::find();
        loop {
            let Some(lock) = folder.open()? else { return Ok(None) };
            let RunFolder { path, is_named, .. } = &folder;
            lock.lock().doing_to("lock", path)?;
            let locked = lock.metadata().doing_to("look at", path)?;
            // Whoever held the lock before us may have removed the folder with its last lab.
            if fs::metadata(path).is_ok_and(|current| (current.dev(), current.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Some(Self { path: path.clone(), is_named: *is_named, _lock: lock }));
            }
        }
    }

    /// Removes the folder, unless it holds something or the user named it.
    pub(crate) fn remove_if_empty(&self) {
        if !self.is_named {
            let _ = fs::remove_dir(&self.path);
        }
    }
}
