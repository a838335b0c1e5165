//! Removing a lab, the one way in which all labs end.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use crate::{
    error::{Doing, Error, Result},
    files,
    namespace::{self, IP_NETNS, Namespace},
    netlink::{Link, Netlink},
    pod, processes,
    run_folder::Base,
    state::Journal,
};

#[cfg(test)]
mod tests;

/// Removes a lab: its processes, namespaces and files. `dir` is known to be a lab's folder.
///
/// Needs only the files, so that it also removes what is left after a kill, or with a damaged state file.
pub(crate) fn remove(id: &str, dir: &Path) -> Result<()> {
    let folder = namespace::folder(dir);
    let is_folder = fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir());
    let names = if is_folder { files::list(&folder).unwrap_or_default() } else { Vec::new() };
    let namespaces: Vec<Namespace> =
        names.into_iter().map(|name| Namespace::new(format!("{id}-{name}"), folder.join(name))).collect();
    let mut left = processes::kill_all_in(&namespaces);
    for namespace in &namespaces {
        if let Err(error) = namespace.remove() {
            left.push(format!("namespace {}: {error}", namespace.name()));
        }
    }
    // Something mounted inside the lab is not the lab's, and its contents would be deleted, too.
    let mounted = fs::read_to_string("/proc/self/mountinfo").map(|text| mounts_below(&text, dir)).unwrap_or_default();
    left.extend(mounted.iter().map(|path| format!("something is mounted at {0}; `umount {0}`", path.display())));
    if left.is_empty()
        && let Err(error) = remove_folder(dir)
    {
        left.push(error.to_string());
    }
    if left.is_empty() { Ok(()) } else { Err(Error::NotRemoved { lab: id.to_owned(), left }) }
}

/// Removes one pod of a lab: its processes, its namespace and its folders.
pub(crate) fn remove_pod(id: &str, namespace: &Namespace, folders: &[PathBuf; 2]) -> Result<()> {
    let mut left = processes::kill_all_in(std::slice::from_ref(namespace));
    // The kernel removes a namespace's links some time after its last process has ended, and until then the node keeps routes to them.
    let unplug = || Netlink::open(namespace.name())?.remove(Link::find(pod::LINK)?);
    if namespace.is_mounted()
        && let Err(error) = namespace.run(unplug).and_then(|done| done)
    {
        tracing::debug!("{error}");
    }
    if let Err(error) = namespace.remove() {
        left.push(format!("namespace {}: {error}", namespace.name()));
    }
    if left.is_empty() {
        left.extend(folders.iter().filter_map(|folder| remove_entry(folder).err()).map(|error| error.to_string()));
    }
    if left.is_empty() { Ok(()) } else { Err(Error::NotRemoved { lab: id.to_owned(), left }) }
}

/// Removes the files, with the state file last: while anything is left, it identifies the lab.
fn remove_folder(dir: &Path) -> Result<()> {
    let Some(base) = Base::lock_existing()? else {
        return Ok(());
    };
    for name in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()) {
        if name != Journal::FILE {
            remove_entry(&dir.join(name))?;
        }
    }
    remove_entry(&dir.join(Journal::FILE))?;
    files::unless_gone(fs::remove_dir(dir)).doing_to("remove", dir)?;
    base.remove_if_empty();
    // Fails, as intended, if it is not empty.
    let _ = fs::remove_dir(IP_NETNS);
    Ok(())
}

/// Removes a file or a folder with its contents. Symbolic links are removed, not followed.
fn remove_entry(path: &Path) -> Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    files::unless_gone(removed).doing_to("remove", path)
}

/// The mount points below a folder: field 5 of each line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn mounts_below(mountinfo: &str, folder: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    points.filter(|point| point.starts_with(folder) && point != folder).collect()
}

/// Decodes a path of `mountinfo`, where blanks, tabs, line ends and backslashes are written as a backslash and three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            path.push(byte);
            rest = &after[3..];
        } else {
            path.push(*first);
            rest = after;
        }
    }
    PathBuf::from(OsString::from_vec(path))
}
