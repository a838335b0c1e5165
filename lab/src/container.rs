//! A pod's containers as programs: with their environment, the files that they mount, and the user that they run as.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mesh::model::{Container, Mount, Pod};
use netns::{Bind, Privilege, Program, User};

use crate::beneath::Beneath;

/// The variable that says where a program writes down its TLS keys.
const KEY_LOG: &str = "SSLKEYLOGFILE";

/// What a pod's container is given by the lab, below the pod's folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Those of one container.
    pub fn of(host: &netns::Pod, container: &str) -> Self {
        Self { folder: host.dir().join(FOLDER).join(container) }
    }

    /// The TLS keys of the programs in it, as far as they write them where `SSLKEYLOGFILE` says.
    pub fn key_log(&self) -> PathBuf {
        self.folder.join("keys.log")
    }

    /// The files that the container mounts at the `index`th place.
    fn mount(&self, index: usize) -> PathBuf {
        self.folder.join(mounted(index))
    }

    /// Writes what the container mounts, and makes the folder of what its programs write. Only the user that they run as may look into
    /// it: there are private keys in it.
    ///
    /// # Errors
    /// When a file can't be written, or its name leads out of the pod's folder.
    pub fn write(&self, host: &netns::Pod, container: &Container) -> Result<()> {
        let owner = user(container);
        let containers = Beneath::open(&host.dir())?.folder(Path::new(FOLDER), None)?;
        // Each container's user passes through it.
        containers.let_others_pass()?;
        let folder = containers.folder(Path::new(&container.name), owner)?;
        for (index, Mount { path, files, .. }) in container.mounts.iter().enumerate() {
            let mount = folder.folder(&mounted(index), owner)?;
            for (name, content) in files {
                mount
                    .write(Path::new(name), content, owner)
                    .with_context(|| format!("{}: what is mounted at {path}", container.source))?;
            }
        }
        Ok(())
    }
}

/// The folder of all containers in a pod's.
const FOLDER: &str = "containers";

/// What is mounted at the `index`th place, in a container's folder.
fn mounted(index: usize) -> PathBuf {
    Path::new("mounts").join(index.to_string())
}

/// A program in a container: its own, or one that is run beside it.
pub fn program(
    pod: &Pod,
    container: &Container,
    host: &netns::Pod,
    name: impl Into<String>,
    file: impl Into<PathBuf>,
    args: impl IntoIterator<Item: Into<std::ffi::OsString>>,
) -> Program {
    let files = Files::of(host, &container.name);
    let mut program = Program::new(name, file, args);
    program.user = user(container);
    program.env.push(("HOSTNAME".into(), pod.name.name.clone().into()));
    program.env.push((KEY_LOG.into(), files.key_log().into()));
    program.env.extend(container.env.iter().map(|(name, value)| (name.into(), value.into())));
    program.binds = container
        .mounts
        .iter()
        .enumerate()
        .map(|(index, mount)| Bind { source: files.mount(index), target: PathBuf::from(&mount.path) })
        .collect();
    program
}

/// The log of a container's own program: its standard output and standard error, as they came.
pub fn log(host: &netns::Pod, container: &str) -> PathBuf {
    host.log_dir().join(format!("{container}.log"))
}

/// Lets a program not write down its TLS keys.
pub fn keep_keys_secret(program: &mut Program) {
    program.env.retain(|(name, _)| name != KEY_LOG);
}

/// Who it runs as, where there is more than one user to be.
fn user(container: &Container) -> Option<User> {
    let uid = container.run_as_user.filter(|_| Privilege::current() == Some(Privilege::Root))?;
    Some(User { uid, gid: uid })
}
