//! Output files: each is either complete or unchanged.
//!
//! A file is written next to its place and renamed. Until then an earlier file of that name is untouched, however the program ends.

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

/// A file could not be written; an earlier one is unchanged.
#[derive(Debug, Error)]
#[error("can't write {}: {source}{}", path.display(), fix(source))]
pub struct NotWritten {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Who can read an output file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readers {
    /// According to the umask, or to the file that is replaced.
    Usual,
    /// Only its owner: it contains keys.
    Owner,
}

/// Checks before the work that files can be written, without changing anything.
///
/// # Errors
/// The first file that can't be written.
pub fn check<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), NotWritten> {
    paths.into_iter().try_for_each(|path| {
        let found = Place::resolve(path).and_then(|place| match place {
            Place::Straight(path) => Ok(access(&path, AccessFlags::W_OK)?),
            // Removed again at once.
            Place::Beside { .. } => place.begin(Readers::Usual).map(drop),
        });
        found.map_err(|source| NotWritten { path: path.clone(), source })
    })
}

/// Creates the folder for files that only their owner can read, if it is missing, and checks that files can be written to it.
///
/// # Errors
/// If they can't.
pub fn check_secret_folder(folder: &Path) -> Result<(), NotWritten> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let tried = made.and_then(|()| tempfile::tempfile_in(folder).map(drop));
    tried.map_err(|source| NotWritten { path: folder.to_owned(), source })
}

/// Writes a file, replacing an existing one.
///
/// # Errors
/// If it can't be written; an existing file stays.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), NotWritten> {
    write_for(Readers::Usual, path, |file| file.write_all(content.as_ref()))
}

/// Writes a file with what `fill` writes.
///
/// # Errors
/// If it can't be written, or `fill` fails; an existing file stays.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), NotWritten> {
    write_for(Readers::Usual, path, fill)
}

/// Writes a file that contains keys, and that only its owner can read.
///
/// # Errors
/// If it can't be written, or `fill` fails; an existing file stays.
pub fn write_secret(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), NotWritten> {
    write_for(Readers::Owner, path, fill)
}

fn write_for(
    readers: Readers,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), NotWritten> {
    let write = || match Place::resolve(path)? {
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

/// The kind of an output path.
enum Place {
    /// A pipe or a device, such as `/dev/stdout`: it is written to directly.
    Straight(PathBuf),
    /// A regular file: its final name, and the existing file.
    Beside { target: PathBuf, earlier: Option<Metadata> },
}

impl Place {
    fn resolve(path: &Path) -> io::Result<Self> {
        // Other names of the shell's open files: a replacement would go unnoticed.
        if path.starts_with("/dev") || path.starts_with("/proc") {
            return Ok(Self::Straight(path.to_owned()));
        }
        match fs::metadata(path) {
            Ok(earlier) if earlier.is_file() => {
                access(path, AccessFlags::W_OK)?;
                // A symbolic link is followed, and stays.
                Ok(Self::Beside { target: fs::canonicalize(path)?, earlier: Some(earlier) })
            }
            Ok(other) if other.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => Ok(Self::Straight(path.to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) if path.is_symlink() => Err(io::Error::other("it is a dangling symbolic link")),
            Err(_) => Ok(Self::Beside { target: std::path::absolute(path)?, earlier: None }),
        }
    }

    /// Creates the temporary file, next to the final one.
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
                // Without the right to change owners the file keeps its own.
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

fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; create its folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; a file is written next to its place and renamed, so its folder must be writable, too"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space there, or name another place",
        _ => "",
    }
}
