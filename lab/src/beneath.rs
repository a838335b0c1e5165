//! Folders whose files are named by manifests: no name leads out of them.
//!
//! The kernel sees to that, whatever the name says and whatever lies in the folder: `openat2` with `RESOLVE_BENEATH` (openat2(2)).

use std::{
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::fchown,
    },
    path::{Component, Path, PathBuf},
};

use netns::User;
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::{Mode, fchmod, mkdirat},
};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// An open folder.
#[derive(Debug)]
pub(crate) struct Beneath {
    folder: OwnedFd,
    path: PathBuf,
}

/// A file or folder can't be made in a folder.
#[derive(Debug, Error)]
#[error("can't make {name:?} in {}: {}", folder.display(), why(source))]
pub(crate) struct NotMade {
    name: PathBuf,
    folder: PathBuf,
    source: io::Error,
}

fn why(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV | Errno::ELOOP) => "it leads out of that folder, in which what a pod mounts stays".to_owned(),
        _ => error.to_string(),
    }
}

impl Beneath {
    /// Opens a folder of our own.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, NotMade> {
        let opened =
            File::open(path).map_err(|source| NotMade { name: ".".into(), folder: path.to_owned(), source })?;
        Ok(Self { folder: opened.into(), path: path.to_owned() })
    }

    /// Makes a folder in it, and those on the way. Only `owner`, else root, may look into those that are made.
    ///
    /// # Errors
    /// When the name leads out of this folder, or the kernel says no.
    pub(crate) fn folder(&self, name: &Path, owner: Option<User>) -> Result<Self, NotMade> {
        let mut folder = self.folder.try_clone().map_err(|source| self.not_made(name, source))?;
        for part in name.components() {
            folder = make_folder(&folder, part, owner).map_err(|source| self.not_made(name, source))?;
        }
        Ok(Self { folder, path: self.path.join(name) })
    }

    /// Writes a file in it, which only `owner`, else root, may read, and makes the folders on the way.
    ///
    /// # Errors
    /// As [`folder`](Self::folder), and when the disk is full.
    pub(crate) fn write(&self, name: &Path, content: &[u8], owner: Option<User>) -> Result<(), NotMade> {
        let parent = match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => &self.folder(parent, owner)?,
            _ => self,
        };
        let write = || {
            // A name such as `a/..` has no last part: the kernel is asked for it as it is.
            let last = name.file_name().unwrap_or(name.as_os_str());
            let how = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
            let mut file = File::from(open_beneath(&parent.folder, last, how)?);
            file.write_all(content)?;
            give(&file, owner)
        };
        write().map_err(|source| self.not_made(name, source))
    }

    /// Lets other users pass through it to what in it is theirs.
    ///
    /// # Errors
    /// When the kernel says no.
    pub(crate) fn let_others_pass(&self) -> Result<(), NotMade> {
        let mode = Mode::S_IRWXU | Mode::S_IXGRP | Mode::S_IXOTH;
        fchmod(&self.folder, mode).map_err(|error| self.not_made(Path::new("."), error.into()))
    }

    fn not_made(&self, name: &Path, source: io::Error) -> NotMade {
        NotMade { name: name.to_owned(), folder: self.path.clone(), source }
    }
}

/// Makes a folder, unless it is there, and opens it.
fn make_folder(parent: &OwnedFd, name: Component<'_>, owner: Option<User>) -> io::Result<OwnedFd> {
    let made = match mkdirat(parent, name.as_os_str(), Mode::S_IRWXU) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let folder = open_beneath(parent, name.as_os_str(), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    if made {
        give(&folder, owner)?;
        fchmod(&folder, Mode::S_IRWXU)?;
    }
    Ok(folder)
}

fn open_beneath(folder: &OwnedFd, name: &std::ffi::OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    let mode = if flags.contains(OFlag::O_CREAT) { Mode::S_IRUSR | Mode::S_IWUSR } else { Mode::empty() };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    Ok(openat2(folder, name, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(resolve))?)
}

fn give(made: impl AsFd, owner: Option<User>) -> io::Result<()> {
    owner.map_or(Ok(()), |User { uid, gid }| fchown(made, Some(uid), Some(gid)))
}
