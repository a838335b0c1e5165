//! Files that a command leaves to its user: each stands whole under its name, or is as it was before.
//!
//! A file is written beside its place and renamed. Until then an earlier file of that name is untouched, however the program ends.

use std::{
    fs::{self, File, Metadata, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};
use tempfile::NamedTempFile;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// A file can't be written. What was there before is as it was.
#[derive(Debug, Error)]
#[error("can't write {}: {source}{}", path.display(), mend(source))]
pub struct NotWritten {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Who may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// As the umask has it, or as of the file that is replaced.
    Usual,
    /// Its owner alone: there are keys in it.
    Owner,
}

/// Finds out before the work whether files can be written, and changes nothing.
///
/// # Errors
/// The first that can't.
pub fn check<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), NotWritten> {
    paths.into_iter().try_for_each(|path| {
        let found = Place::of(path).and_then(|place| match place {
            Place::Straight(path) => Ok(access(&path, AccessFlags::W_OK)?),
            // It goes again at once.
            Place::Beside { .. } => place.begin(Readers::Usual).map(drop),
        });
        found.map_err(|source| NotWritten { path: path.clone(), source })
    })
}

/// Makes the folder of files that only their owner may read, where it is missing, and finds out whether they can be written to it.
///
/// # Errors
/// When they can't.
pub fn check_secret_folder(folder: &Path) -> Result<(), NotWritten> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let tried = made.and_then(|()| tempfile::tempfile_in(folder).map(drop));
    tried.map_err(|source| NotWritten { path: folder.to_owned(), source })
}

/// Writes a file, in place of one that is there.
///
/// # Errors
/// When it can't be written; what was there stays.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), NotWritten> {
    write_for(Readers::Usual, path, |file| file.write_all(content.as_ref()))
}

/// Writes a file with keys in it, which only its owner may read.
///
/// # Errors
/// When it can't be written, or `fill` fails; what was there stays.
pub fn write_secret(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), NotWritten> {
    write_for(Readers::Owner, path, fill)
}

fn write_for(
    readers: Readers,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), NotWritten> {
    let write = || match Place::of(path)? {
        Place::Straight(path) => filled(&OpenOptions::new().append(true).open(path)?, fill),
        place @ Place::Beside { .. } => {
            let file = place.begin(readers)?;
            filled(file.as_file(), fill)?;
            file.as_file().sync_all()?;
            place.end(file)
        }
    };
    write().map_err(|source| NotWritten { path: path.to_owned(), source })
}

fn filled(file: &File, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    fill(&mut writer)?;
    writer.flush()
}

/// Where a file goes.
enum Place {
    /// A pipe or a device, such as `/dev/stdout`: what is written to it is not kept there.
    Straight(PathBuf),
    /// Its final name, and what is there now.
    Beside { target: PathBuf, earlier: Option<Metadata> },
}

impl Place {
    fn of(path: &Path) -> io::Result<Self> {
        // The shell's own files by other names: it would not notice that they were replaced.
        if path.starts_with("/dev") || path.starts_with("/proc") {
            return Ok(Self::Straight(path.to_owned()));
        }
        match fs::metadata(path) {
            Ok(earlier) if earlier.is_file() => {
                access(path, AccessFlags::W_OK)?;
                // A symbolic link stays one.
                Ok(Self::Beside { target: fs::canonicalize(path)?, earlier: Some(earlier) })
            }
            Ok(other) if other.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => Ok(Self::Straight(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) if path.is_symlink() => Err(io::Error::other("it is a symbolic link that leads nowhere")),
            Err(_) => Ok(Self::Beside { target: std::path::absolute(path)?, earlier: None }),
        }
    }

    /// Makes the file that is written, beside the one that it will be.
    fn begin(&self, readers: Readers) -> io::Result<NamedTempFile> {
        let Self::Beside { target, earlier } = self else { return Err(io::ErrorKind::Unsupported.into()) };
        let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let mode = if readers == Readers::Owner { 0o600 } else { 0o666 };
        let file = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.to_string_lossy()))
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        if let Some(earlier) = earlier {
            if readers == Readers::Usual {
                file.as_file().set_permissions(Permissions::from_mode(earlier.mode() & 0o777))?;
            }
            let owner = (earlier.uid(), earlier.gid());
            let ours = file.as_file().metadata()?;
            if owner != (ours.uid(), ours.gid()) {
                // Who may not give files away keeps them.
                let _ = fchown(file.as_file(), Some(owner.0), Some(owner.1));
            }
        }
        Ok(file)
    }

    fn end(&self, file: NamedTempFile) -> io::Result<()> {
        let Self::Beside { target, .. } = self else { return Err(io::ErrorKind::Unsupported.into()) };
        file.persist(target).map(drop).map_err(|refused| refused.error)
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; make its folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; a file is written beside its place and renamed, so its folder must be writable, too"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there, or name another place",
        _ => "",
    }
}
