//! What is appended to the files of a lab, from now on.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

#[cfg(test)]
mod tests;

/// How much is read from a file at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// Files that grow, of which only whole lines are read. Files that appear later are read from their beginning.
pub(crate) struct Tails {
    list: Box<dyn Fn() -> Vec<PathBuf>>,
    read_to: HashMap<PathBuf, u64>,
}

impl Tails {
    /// Follows the files that `list` names, and will name, beyond their present ends.
    pub(crate) fn new(list: impl Fn() -> Vec<PathBuf> + 'static) -> Self {
        let length = |path: PathBuf| fs::metadata(&path).ok().map(|file| (path, file.len()));
        let read_to = list().into_iter().filter_map(length).collect();
        Self { list: Box::new(list), read_to }
    }

    /// The lines that were appended, by file. A file that can't be read now is read the next time.
    pub(crate) fn read(&mut self) -> Vec<(PathBuf, String)> {
        let mut read = Vec::new();
        for path in (self.list)() {
            let at = self.read_to.get(&path).copied().unwrap_or(0);
            let Ok(text) = appended(&path, at) else { continue };
            if !text.is_empty() {
                self.read_to.insert(path.clone(), at + text.len() as u64);
                read.push((path, String::from_utf8_lossy(&text).into_owned()));
            }
        }
        read
    }
}

/// The whole lines of a file from an offset on. Of a file that was made again, which is shorter, nothing.
fn appended(path: &Path, mut at: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut text = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read_at(&mut chunk, at)?;
        if read == 0 {
            break;
        }
        text.extend_from_slice(&chunk[..read]);
        at += read as u64;
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    text.truncate(whole);
    Ok(text)
}

/// The key logs of a lab's pods: those of sidecars, and of apps.
pub(crate) fn key_logs(lab: &Path) -> Vec<PathBuf> {
    let mut logs = Vec::new();
    for pod in entries(&lab.join("pods")) {
        logs.push(pod.join("log/keys.log"));
        logs.extend(entries(&pod.join("containers")).map(|container| container.join("keys.log")));
    }
    logs
}

/// The access logs of a lab's sidecars.
pub(crate) fn access_logs(lab: &Path) -> Vec<PathBuf> {
    entries(&lab.join("pods")).map(|pod| pod.join("log/access.log")).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
