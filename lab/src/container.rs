//! A pod's containers as programs, with their environment, mounted files and user.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mesh::{
    ca::Svid,
    model::{Container, Mount, Pod, StandIn},
};
use netns::{Bind, OWN_FOLDER, Privilege, Program, User};

use crate::{beneath::Beneath, trust};

/// The variable that names the file to which a program logs its TLS keys.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// A container's part of the pod's folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The paths of one container.
    pub fn new(host: &netns::Pod, container: &str) -> Self {
        Self { folder: host.dir().join(FOLDER).join(container) }
    }

    /// The TLS keys of its programs that honour `SSLKEYLOGFILE`.
    pub fn key_log(&self) -> PathBuf {
        self.folder.join(KEYS)
    }

    /// A folder of the container's that is empty at first, such as its `/tmp`.
    fn scratch(&self, target: &str) -> PathBuf {
        self.folder.join(scratch(target))
    }

    /// The files of the container's `index`th mount.
    fn mount(&self, index: usize) -> PathBuf {
        self.folder.join(mounted(index))
    }

    /// Writes the container's mounts, with the certificate that was `made` for a stand-in, and creates the folder for its programs'
    /// output. Only their user can read it, since it contains private keys.
    ///
    /// # Errors
    /// If a file can't be written, or its name leads out of the pod's folder.
    pub fn write(&self, host: &netns::Pod, container: &Container, made: Option<&Svid>) -> Result<()> {
        let owner = user(container);
        let containers = Beneath::open(&host.dir())?.folder(Path::new(FOLDER), None)?;
        // Each container's user has to traverse it.
        containers.let_others_pass()?;
        let folder = containers.folder(Path::new(&container.name), owner)?;
        folder.write(Path::new(KEYS), b"", owner)?;
        for target in SCRATCH {
            folder.folder(&scratch(target), owner)?;
        }
        for (index, Mount { path, files, .. }) in container.mounts.iter().enumerate() {
            let mount = folder.folder(&mounted(index), owner)?;
            if let Some(made) = made.filter(|_| path == StandIn::CERTIFICATE_FOLDER) {
                mount.write(Path::new("tls.crt"), made.chain_pem.as_bytes(), owner)?;
                mount.write(Path::new("tls.key"), made.key_pem.as_bytes(), owner)?;
            }
            for (name, content) in files {
                mount
                    .write(Path::new(name), content, owner)
                    .with_context(|| format!("{}: the mount at {path}", container.source))?;
            }
        }
        Ok(())
    }
}

/// The folder of all containers in a pod's.
const FOLDER: &str = "containers";

/// The file of a container's TLS keys.
const KEYS: &str = "keys.log";

/// Folders that all programs of a container share, and that only they can write.
const SCRATCH: [&str; 3] = ["/tmp", "/run", "/var/tmp"];

/// One of these, in a container's folder.
fn scratch(target: &str) -> PathBuf {
    Path::new("scratch").join(target.trim_start_matches('/').replace('/', "-"))
}

/// The `index`th mount, in a container's folder.
fn mounted(index: usize) -> PathBuf {
    Path::new("mounts").join(index.to_string())
}

/// The container in which a pod's calls are made.
///
/// # Errors
/// If it has none.
pub(crate) fn of_calls(pod: &Pod) -> Result<&Container> {
    pod.containers.first().with_context(|| format!("{} has no container to call from", pod.name))
}

/// A program in a container: its own, or an additional one.
pub fn program(
    pod: &Pod,
    container: &Container,
    host: &netns::Pod,
    name: impl Into<String>,
    file: impl Into<PathBuf>,
    args: impl IntoIterator<Item: Into<std::ffi::OsString>>,
) -> Program {
    let files = Files::new(host, &container.name);
    let mut program = Program::new(name, file, args);
    program.user = user(container);
    program.env.push(("HOSTNAME".into(), pod.name.name.clone().into()));
    let key_log = Path::new(OWN_FOLDER).join(KEYS);
    program.env.push((KEY_LOG.into(), key_log.clone().into()));
    program.env.extend(container.env.iter().map(|(name, value)| (name.into(), value.into())));
    let mounts = container.mounts.iter().enumerate();
    let mounts = mounts.map(|(index, mount)| Bind { source: files.mount(index), target: PathBuf::from(&mount.path) });
    let is_free = |target: &&str| !container.mounts.iter().any(|mount| mount.path.trim_end_matches('/') == *target);
    let scratch = SCRATCH.into_iter().filter(|_| !host.spec().unconfined).filter(is_free);
    program.binds = mounts.chain(trust::binds(host, &container.mounts)).collect();
    program.binds.push(Bind { source: files.key_log(), target: key_log });
    program.binds.extend(scratch.map(|target| Bind { source: files.scratch(target), target: target.into() }));
    program
}

/// The log of a container's program: its standard output and standard error, interleaved.
pub fn log(host: &netns::Pod, container: &str) -> PathBuf {
    host.log_dir().join(format!("{container}.log"))
}

/// Stops a program from logging its TLS keys.
pub fn keep_keys_secret(program: &mut Program) {
    program.env.retain(|(name, _)| name != KEY_LOG);
}

/// The user that it runs as; `None` in a user namespace, which has only one.
fn user(container: &Container) -> Option<User> {
    let uid = container.run_as_user.filter(|_| Privilege::current() == Some(Privilege::Root))?;
    Some(User { uid, gid: uid })
}
