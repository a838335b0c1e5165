//! A pod's containers as programs: with their environment, the files that they mount, and the user that they run as.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use mesh::model::{Container, Mount, Pod};
use netns::{Bind, Privilege, Program, User};

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
        Self { folder: host.dir().join("containers").join(container) }
    }

    /// The TLS keys of the programs in it, as far as they write them where `SSLKEYLOGFILE` says.
    pub fn key_log(&self) -> PathBuf {
        self.folder.join("keys.log")
    }

    /// The files that the container mounts at the `index`th place.
    fn mount(&self, index: usize) -> PathBuf {
        self.folder.join("mounts").join(index.to_string())
    }

    /// Writes what the container mounts, and makes the folder of what its programs write.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(&self, container: &Container) -> Result<()> {
        let unwritten = |path: &Path| format!("can't write {}", path.display());
        for (index, Mount { files, .. }) in container.mounts.iter().enumerate() {
            let folder = self.mount(index);
            fs::create_dir_all(&folder).with_context(|| unwritten(&folder))?;
            for (name, content) in files {
                let path = folder.join(name);
                path.parent().map_or(Ok(()), fs::create_dir_all).with_context(|| unwritten(&path))?;
                fs::write(&path, content).with_context(|| unwritten(&path))?;
            }
        }
        fs::create_dir_all(&self.folder).with_context(|| unwritten(&self.folder))?;
        if let Some(User { uid, gid }) = user(container) {
            chown(&self.folder, Some(uid), Some(gid)).with_context(|| unwritten(&self.folder))?;
        }
        Ok(())
    }
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

/// Lets a program not write down its TLS keys.
pub fn keep_keys_secret(program: &mut Program) {
    program.env.retain(|(name, _)| name != KEY_LOG);
}

/// Who it runs as, where there is more than one user to be.
fn user(container: &Container) -> Option<User> {
    let uid = container.run_as_user.filter(|_| Privilege::current() == Some(Privilege::Root))?;
    Some(User { uid, gid: uid })
}
