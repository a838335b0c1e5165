//! Files and folders of a lab, with explicit permissions.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use crate::error::{Doing, Result};

/// Creates a folder and its parents with mode 0755, regardless of the umask: programs run in pods as other users.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).doing_to("make", path)?;
    set_mode(path, 0o755)
}

/// Writes a file with mode 0644, regardless of the umask.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing_to("write", path)?;
    set_mode(path, 0o644)
}

/// Sets permissions, regardless of the umask.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode)).doing_to("set permissions of", path)
}

/// The names of a folder's entries.
pub(crate) fn list(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).doing_to("list", dir)? {
        let entry = entry.doing_to("list", dir)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Treats "not found" as success.
pub(crate) fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
