//! A network namespace, kept alive by a bind mount, and threads inside it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags},
    sched::{CloneFlags, setns, unshare},
};

use crate::{
    Privilege,
    error::{Doing, Error, Result},
    files,
};

/// The folder in which `ip netns` looks for namespaces.
pub(crate) const IP_NETNS: &str = "/run/netns";

/// The folder of a lab's namespace files. Each file is created before its namespace.
pub(crate) fn folder(lab: &Path) -> PathBuf {
    lab.join("ns")
}

/// A network namespace, identified by its name and the file that it is mounted on.
///
/// Holds no descriptor: entering opens the file, so the namespace of a removed lab cannot be entered by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace {
    name: String,
    path: PathBuf,
}

impl Namespace {
    /// Refers to a namespace without creating it.
    pub(crate) fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into() }
    }

    /// The name that `ip netns list` shows.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Creates the namespace, mounts it on its file, runs `work` in it, and links it for `ip netns exec`.
    ///
    /// The file must not exist. After an error, [`remove`](Self::remove) undoes whatever was done.
    pub(crate) fn create<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        File::create_new(&self.path).doing_to("make", &self.path)?;
        let done = on_fresh_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).doing(|| format!("make a network namespace for {}", self.name))?;
            const NONE: Option<&str> = None;
            nix::mount::mount(Some("/proc/thread-self/ns/net"), &self.path, NONE, MsFlags::MS_BIND, NONE)
                .doing_to("mount a network namespace at", &self.path)?;
            work()
        })?;
        // A namespace that is mounted only for this process cannot be found by others.
        if Privilege::current() == Some(Privilege::Root) {
            self.link()?;
        }
        Ok(done)
    }

    /// Runs `work` on a new thread inside the namespace.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        on_fresh_thread(|| {
            self.join()?;
            Ok(work())
        })
    }

    /// Moves the calling thread into the namespace permanently. Only for threads started for this purpose.
    pub(crate) fn join(&self) -> Result<()> {
        setns(self.open()?, CloneFlags::CLONE_NEWNET).doing(|| format!("enter namespace {}", self.name))
    }

    /// Opens the namespace for `setns`.
    pub(crate) fn open(&self) -> Result<File> {
        File::open(&self.path)
            .doing(|| format!("enter namespace {} ({}), which may have been removed", self.name, self.path.display()))
    }

    /// Distinguishes it from all other namespaces on this host while it exists; `None` if it was never mounted.
    pub(crate) fn identity(&self) -> Option<Identity> {
        Identity::read(&self.path).filter(|_| self.is_mounted())
    }

    /// Unmounts the namespace and removes its files. It is no error if there is none, or if another process removes it concurrently.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let link = self.link_path();
        if fs::read_link(&link).is_ok_and(|target| target == self.path) {
            files::unless_gone(fs::remove_file(&link))?;
        }
        if self.is_mounted() {
            match nix::mount::umount2(&self.path, MntFlags::MNT_DETACH) {
                // No longer a mount point, or removed: umount(2).
                Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Removing the file also detaches copies of the mount in other mount namespaces.
        files::unless_gone(fs::remove_file(&self.path))
    }

    /// Whether the namespace is mounted: its file is then on another device than its folder.
    pub(crate) fn is_mounted(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(&self.path).is_some_and(|own| self.path.parent().and_then(device) != Some(own))
    }

    /// Links it for `ip netns`. A symbolic link rather than a second mount, so that it cannot keep the namespace alive.
    fn link(&self) -> Result<()> {
        let link = self.link_path();
        // A lab that is being removed may delete the folder whenever it is empty.
        loop {
            fs::create_dir_all(IP_NETNS).doing_to("make", Path::new(IP_NETNS))?;
            match symlink(&self.path, &link) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                linked => return linked.doing_to("make", &link),
            }
        }
    }

    fn link_path(&self) -> PathBuf {
        Path::new(IP_NETNS).join(&self.name)
    }
}

/// Device and inode of a namespace: the same for every process in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of the namespace file at `path`, such as `/proc/1/ns/net`.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Runs `work` on a new thread, so that a namespace that it enters is left when it returns.
pub(crate) fn on_fresh_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| Error::Io { doing: "start a thread".to_owned(), source })?;
        join(thread)
    })
}

/// Joins a thread, and propagates its panic.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
