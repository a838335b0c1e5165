//! The authorities that each pod's programs trust as the system's: the host's own, and the lab's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use mesh::{model::Mount, system_roots};
use netns::Bind;

/// Where distributions keep the system's authorities (Go: `src/crypto/x509/root_linux.go`).
const BUNDLES: [&str; 4] =
    [system_roots::FILE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

/// Writes a pod's authorities: those of the host, and the lab's.
pub(crate) fn write(host: &netns::Pod, root_pem: &str) -> Result<()> {
    let mut text = bundles().next().and_then(|bundle| fs::read_to_string(bundle).ok()).unwrap_or_default();
    text.push('\n');
    text.push_str(root_pem);
    let path = file(host);
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
}

/// Mounts them over the host's for a program, unless the program has a mount there itself.
pub(crate) fn binds(host: &netns::Pod, mounts: &[Mount]) -> Vec<Bind> {
    let is_free = |bundle: &&str| !mounts.iter().any(|mount| Path::new(bundle).starts_with(&mount.path));
    let source = file(host);
    if !source.exists() {
        return Vec::new();
    }
    // Sidecars look for the system's there on every host.
    let elsewhere = bundles().filter(|bundle| *bundle != system_roots::FILE);
    let shown = std::iter::once(system_roots::FILE).chain(elsewhere).filter(is_free);
    shown.map(|bundle| Bind { source: source.clone(), target: bundle.into() }).collect()
}

/// The bundles that this host has, with symbolic links resolved.
fn bundles() -> impl Iterator<Item = &'static str> {
    BUNDLES.into_iter().filter(|path| fs::symlink_metadata(path).is_ok_and(|file| file.is_file()))
}

fn file(host: &netns::Pod) -> PathBuf {
    host.dir().join("roots.pem")
}
