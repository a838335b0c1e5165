//! One network namespace, held open by a bind mount, and threads that work inside it.

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

/// Where `ip netns` looks for namespaces.
pub(crate) const IP_NETNS: &str = "/run/netns";

/// A network namespace by its name and by the file that it is mounted on.
///
/// Holds no descriptor: whoever enters opens the file, so a namespace whose lab has been removed cannot be entered by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespace {
    name: String,
    path: PathBuf,
}

impl Namespace {
    /// Names a namespace; makes nothing.
    pub(crate) fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into() }
    }

    /// Its name, as `ip netns list` shows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes the namespace, mounts it on its file, runs `work` in it, and links it where `ip netns exec` looks.
    ///
    /// The file must not exist. Whatever of this was done when an error comes back, [`remove`](Self::remove) undoes.
    pub(crate) fn create<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        File::create_new(&self.path).doing_to("make", &self.path)?;
        let done = on_fresh_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).doing(|| format!("make a network namespace for {}", self.name))?;
            const NONE: Option<&str> = None;
            nix::mount::mount(Some("/proc/thread-self/ns/net"), &self.path, NONE, MsFlags::MS_BIND, NONE)
                .doing_to("mount a network namespace at", &self.path)?;
            work()
        })?;
        // Of a namespace that is mounted only for us there is nothing for others to find.
        if Privilege::current() == Some(Privilege::Root) {
            self.link()?;
        }
        Ok(done)
    }

    /// Runs `work` on a fresh thread inside the namespace.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        on_fresh_thread(|| {
            self.join()?;
            Ok(work())
        })
    }

    /// Takes the calling thread into the namespace, for good: for threads made for that.
    pub(crate) fn join(&self) -> Result<()> {
        setns(self.open()?, CloneFlags::CLONE_NEWNET).doing(|| format!("enter namespace {}", self.name))
    }

    /// A descriptor to join it by.
    pub(crate) fn open(&self) -> Result<File> {
        File::open(&self.path)
            .doing(|| format!("enter namespace {} ({}), which may have been removed", self.name, self.path.display()))
    }

    /// What tells it from every other namespace on this host while it lives; `None` when it was never mounted.
    pub(crate) fn identity(&self) -> Option<Identity> {
        Identity::of(&self.path).filter(|_| self.is_mounted())
    }

    /// Unmounts and forgets it. Nothing to do is no error, nor is another process that removes it at the same moment.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let link = self.link_path();
        if fs::read_link(&link).is_ok_and(|target| target == self.path) {
            files::unless_gone(fs::remove_file(&link))?;
        }
        if self.is_mounted() {
            match nix::mount::umount2(&self.path, MntFlags::MNT_DETACH) {
                // No longer a mount point, or no longer there: umount(2).
                Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Removing the file also detaches the copies of the mount that other mount tables may hold.
        files::unless_gone(fs::remove_file(&self.path))
    }

    /// Whether the namespace is mounted: its file then lies on another device than the folder that holds it.
    fn is_mounted(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        device(&self.path).is_some_and(|own| self.path.parent().and_then(device) != Some(own))
    }

    /// A symbolic link rather than a second mount: `ip netns` follows it, and it cannot keep the namespace alive.
    fn link(&self) -> Result<()> {
        let link = self.link_path();
        // A lab that ends at this moment may remove the folder again while it is empty.
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

/// A namespace's device and inode: the same for everything that is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// That of the namespace file at `path`, such as `/proc/1/ns/net`.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Runs `work` on a thread of its own, so that the namespace that it enters is left when it ends.
pub(crate) fn on_fresh_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|source| Error::Io { doing: "start a thread".to_owned(), source })?;
        join(thread)
    })
}

/// Waits for a thread, and passes on what it gave or its panic.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
