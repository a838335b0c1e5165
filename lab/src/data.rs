//! Finds what comes with the program: scenarios, the bench's layerings, the real Envoy.
//!
//! A checkout and the `share/sidelab` of an installed tree contain them under the same names.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

#[cfg(test)]
mod tests;

/// The pinned version for `scripts/envoy`, with checksums, in pip's format.
const ENVOY_PIN: &str = "scripts/envoy.txt";

/// A folder of the program's data, such as `scenarios`: in the current folder, else where the program's data is.
pub fn folder(name: &str) -> Option<PathBuf> {
    let here = PathBuf::from(name);
    if here.is_dir() {
        return Some(here);
    }
    let own = root(env::current_exe().ok()?.parent()?)?.join(name);
    Some(own).filter(|folder| folder.is_dir())
}

/// The Envoy that `scripts/envoy` installed for programs in this folder.
pub fn envoy(programs: &Path) -> Option<PathBuf> {
    let root = root(programs)?;
    let pin = fs::read_to_string(root.join(ENVOY_PIN)).ok()?;
    let version = pin.split_once("==")?.1.split_whitespace().next()?;
    Some(root.join(format!(".cache/envoy-{version}/envoy"))).filter(|binary| binary.is_file())
}

/// The newest build of a program that a script made for programs in this folder: `.cache/PROGRAM-DIGEST/PROGRAM`.
pub fn built(programs: &Path, program: &str) -> Option<PathBuf> {
    let entries = root(programs)?.join(".cache").read_dir().ok()?;
    let is_build = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_string_lossy().strip_prefix(program).is_some_and(|rest| rest.starts_with('-'))
    };
    let folders = entries.filter_map(Result::ok).filter(is_build);
    let binaries = folders.map(|entry| entry.path().join(program)).filter(|binary| binary.is_file());
    binaries.max_by_key(|binary| binary.metadata().and_then(|data| data.modified()).ok())
}

/// The data of programs in this folder: `../share/sidelab`, else the checkout around the folder.
fn root(programs: &Path) -> Option<PathBuf> {
    // Both, since an unrelated folder can be called `scenarios`.
    let is_data = |folder: &Path| folder.join("scenarios").is_dir() && folder.join("benches/layerings").is_dir();
    let installed = programs.parent().map(|prefix| prefix.join("share/sidelab"));
    let checkout = || programs.ancestors().find(|folder| is_data(folder));
    installed.filter(|data| is_data(data)).or_else(|| Some(checkout()?.to_path_buf()))
}
