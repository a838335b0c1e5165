//! The folder that contains the labs: its path, its creation, and its lock.

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

/// Environment variable with the folder's path.
const VARIABLE: &str = "SIDELAB_RUN_DIR";

/// The folder that contains the labs: the value of `SIDELAB_RUN_DIR`, or else `/run/sidelab` for root and a private folder for other
/// users. It exists while there are labs, or other files in it.
pub fn labs_dir() -> PathBuf {
    RunFolder::find().path
}

/// Creates the [folder of labs](labs_dir) if necessary, for files that are kept beside the labs.
///
/// # Errors
///
/// [`Error::UnsafeFolder`] if another user created it.
pub fn make_labs_dir() -> Result<PathBuf> {
    let folder = RunFolder::find();
    folder.make()?;
    folder.open()?;
    Ok(folder.path)
}

/// Where the labs are, and how that folder is treated.
struct RunFolder {
    path: PathBuf,
    /// Whether the user named it: then symbolic links are followed, and it is kept when the last lab is gone.
    is_named: bool,
    /// Mode for creating it. For root, other users' programs run inside.
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
        // An empty or relative path counts as unset (XDG Base Directory Specification, "Basics").
        let own = env::var_os("XDG_RUNTIME_DIR").filter(|own| Path::new(own).is_absolute());
        let path = match own {
            _ if is_root => PathBuf::from("/run/sidelab"),
            Some(own) => Path::new(&own).join("sidelab"),
            None => env::temp_dir().join(format!("sidelab-{}", privilege::uid_outside())),
        };
        Self { path, is_named: false, mode }
    }

    /// Creates it if necessary. An existing folder keeps its mode: it may be the user's.
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

    /// Opens it; `None` if it does not exist.
    fn open(&self) -> Result<Option<File>> {
        let follow = if self.is_named { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let opened = OpenOptions::new().read(true).custom_flags((OFlag::O_DIRECTORY | follow).bits()).open(&self.path);
        let folder = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::ENOTDIR as i32) => {
                return Err(self.unsafe_because("it is not a folder, or a symbolic link".to_owned()));
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

    /// As root, programs run as other users, who must be able to pass through this folder and its parents.
    fn check_passable(&self) -> Result<()> {
        if Privilege::current() != Some(Privilege::Root) {
            return Ok(());
        }
        let real = fs::canonicalize(&self.path).doing_to("find", &self.path)?;
        for folder in real.ancestors() {
            let mode = fs::metadata(folder).doing_to("look at", folder)?.permissions().mode();
            if mode & 0o001 == 0 {
                let why = format!(
                    "sidecars run as uid 1337 and cannot pass {0} (mode {1:04o}); `chmod o+x {0}`",
                    folder.display(),
                    mode & 0o7777
                );
                return Err(self.unsafe_because(why));
            }
        }
        Ok(())
    }
}

/// The folder of labs, locked against other processes that add or inspect labs.
pub(crate) struct Base {
    pub(crate) path: PathBuf,
    is_named: bool,
    _lock: File,
}

impl Base {
    /// Creates the folder if necessary, and locks it.
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

    /// Locks the folder; `None` if it does not exist, and so no labs do.
    pub(crate) fn lock_existing() -> Result<Option<Self>> {
        let folder = RunFolder::find();
        loop {
            let Some(lock) = folder.open()? else { return Ok(None) };
            let RunFolder { path, is_named, .. } = &folder;
            lock.lock().doing_to("lock", path)?;
            let locked = lock.metadata().doing_to("look at", path)?;
            // The previous holder of the lock may have removed the folder with its last lab.
            if fs::metadata(path).is_ok_and(|current| (current.dev(), current.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Some(Self { path: path.clone(), is_named: *is_named, _lock: lock }));
            }
        }
    }

    /// Removes the folder, unless it is not empty or the user named it.
    pub(crate) fn remove_if_empty(&self) {
        if !self.is_named {
            let _ = fs::remove_dir(&self.path);
        }
    }
}
