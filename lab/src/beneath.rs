//! Folders whose files are named by manifests: no name escapes them.
//!
//! The kernel enforces it, whatever the name and whatever is in the folder: `openat2` with `RESOLVE_BENEATH` (openat2(2)).

use std::{
    ffi::OsStr,
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
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2, renameat},
    sys::stat::{Mode, fchmod, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
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

/// A file or folder could not be created in a folder.
#[derive(Debug, Error)]
#[error("can't create {name:?} in {}: {}", folder.display(), why(source))]
pub(crate) struct NotMade {
    name: PathBuf,
    folder: PathBuf,
    source: io::Error,
}

fn why(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV | Errno::ELOOP) => {
            "it leads out of that folder, to which a pod's mounts are confined".to_owned()
        }
        _ => error.to_string(),
    }
}

impl Beneath {
    /// Opens a folder that is not named by a manifest.
    ///
    /// # Errors
    /// If it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, NotMade> {
        let opened =
            File::open(path).map_err(|source| NotMade { name: ".".into(), folder: path.to_owned(), source })?;
        Ok(Self { folder: opened.into(), path: path.to_owned() })
    }

    /// Creates a folder in it, with its parents. Only `owner`, else root, can read new folders.
    ///
    /// # Errors
    /// If the name leads out of this folder, or the kernel refuses.
    pub(crate) fn folder(&self, name: &Path, owner: Option<User>) -> Result<Self, NotMade> {
        let mut folder = self.folder.try_clone().map_err(|source| self.not_made(name, source))?;
        for part in name.components() {
            folder = make_folder(&folder, part, owner).map_err(|source| self.not_made(name, source))?;
        }
        Ok(Self { folder, path: self.path.join(name) })
    }

    /// Writes a file in it that only `owner`, else root, can read, and creates its parent folders. A program that has the earlier file
    /// open keeps that, whole.
    ///
    /// # Errors
    /// As for [`folder`](Self::folder), or if the disk is full.
    pub(crate) fn write(&self, name: &Path, content: &[u8], owner: Option<User>) -> Result<(), NotMade> {
        let parent = match name.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => &self.folder(parent, owner)?,
            _ => self,
        };
        let write = || {
            let Some(last) = name.file_name() else {
                // A name such as `a/..` has no last component: the kernel rejects it.
                return open_beneath(&parent.folder, name.as_os_str(), OFlag::O_WRONLY).map(drop);
            };
            match open_beneath(&parent.folder, last, OFlag::O_PATH) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => drop(found?),
            }
            replace(&parent.folder, last, content, owner)
        };
        write().map_err(|source| self.not_made(name, source))
    }

    /// Lets other users traverse it to reach their files.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn let_others_pass(&self) -> Result<(), NotMade> {
        let mode = Mode::S_IRWXU | Mode::S_IXGRP | Mode::S_IXOTH;
        fchmod(&self.folder, mode).map_err(|error| self.not_made(Path::new("."), error.into()))
    }

    fn not_made(&self, name: &Path, source: io::Error) -> NotMade {
        NotMade { name: name.to_owned(), folder: self.path.clone(), source }
    }
}

/// Writes a file aside, and renames it.
fn replace(folder: &OwnedFd, name: &OsStr, content: &[u8], owner: Option<User>) -> io::Result<()> {
    const ASIDE: &str = ".sidelab-new";
    let how = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let mut file = File::from(open_beneath(folder, OsStr::new(ASIDE), how)?);
    let written = file.write_all(content).and_then(|()| give(&file, owner));
    let renamed = written.and_then(|()| Ok(renameat(folder, ASIDE, folder, name)?));
    renamed.inspect_err(|_| {
        let _ = unlinkat(folder, ASIDE, UnlinkatFlags::NoRemoveDir);
    })
}

/// Creates a folder if it does not exist, and opens it.
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

fn open_beneath(folder: &OwnedFd, name: &OsStr, flags: OFlag) -> io::Result<OwnedFd> {
    let mode = if flags.contains(OFlag::O_CREAT) { Mode::S_IRUSR | Mode::S_IWUSR } else { Mode::empty() };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    Ok(openat2(folder, name, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(resolve))?)
}

fn give(made: impl AsFd, owner: Option<User>) -> io::Result<()> {
    owner.map_or(Ok(()), |User { uid, gid }| fchown(made, Some(uid), Some(gid)))
}
