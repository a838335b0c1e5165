//! Privilege to create namespaces: as root, or as root of a user namespace.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{mount::MsFlags, sched::CloneFlags};

use crate::error::{Doing, Error, Result};

#[cfg(test)]
mod tests;

/// The privilege by which this process can create namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// Root of the host. Programs run as any user, and the namespaces are visible to `ip netns exec`.
    Root,
    /// Root of a user namespace with a single user, as which all programs run. The namespaces are visible only from inside, and vanish
    /// with it.
    UserNamespace,
}

impl Privilege {
    /// The privilege that this process has; `None` for an ordinary user.
    pub fn current() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Some(if has_other_users(&map) { Self::Root } else { Self::UserNamespace })
    }

    /// The privilege with which the lab was made whose namespaces this process has entered.
    pub fn of_entered_lab() -> Self {
        // Without a user namespace, nothing had to be entered.
        Self::current().unwrap_or(Self::Root)
    }

    /// Gives this process the privilege to create labs: if it is an ordinary user's, it enters a new user namespace permanently.
    ///
    /// Call it first in `main`: the kernel allows it only while the process has a single thread.
    ///
    /// # Errors
    ///
    /// If the host does not allow user namespaces; the error names the setting to change.
    pub fn acquire() -> Result<Self> {
        match Self::current() {
            Some(privilege) => Ok(privilege),
            None => enter_user_namespace(),
        }
    }
}

/// Enters the user namespace and the mounts of a process of the same user, permanently, keeping the current folder.
///
/// The kernel allows it only while this process has a single thread.
pub(crate) fn enter_namespaces_of(pid: u32) -> Result<()> {
    let open = |kind: &str| -> Result<File> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/{kind}"));
        File::open(&path).doing_to("open", &path)
    };
    // Both before entering either: from inside, /proc has other owners.
    let (user, mounts) = (open("user")?, open("mnt")?);
    let folder = std::env::current_dir().doing(|| "find the current folder".to_owned())?;
    let doing = || format!("enter the namespaces of process {pid}");
    nix::sched::setns(user, CloneFlags::CLONE_NEWUSER).doing(doing)?;
    nix::sched::setns(mounts, CloneFlags::CLONE_NEWNS).doing(doing)?;
    std::env::set_current_dir(&folder).doing_to("return to", &folder)
}

fn enter_user_namespace() -> Result<Privilege> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| not_allowed(errno.into()))?;
    for (file, text) in [
        // The kernel requires setgroups to be disabled before a gid map is written.
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(file, text).map_err(not_allowed)?;
    }
    const NONE: Option<&str> = None;
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    // With AppArmor's restriction a user namespace can be created, but has no privilege: this is the first call to fail.
    nix::mount::mount(NONE, "/", NONE, flags, NONE).map_err(|errno| not_allowed(errno.into()))?;
    Ok(Privilege::UserNamespace)
}

fn not_allowed(source: io::Error) -> Error {
    Error::NoUserNamespace { source, fix: fix() }
}

/// How to allow user namespaces: which of the settings that forbid them is set, and what to set it to.
pub(crate) fn fix() -> String {
    let is = |file: &str, value: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(file)).is_ok_and(|text| text.trim() == value)
    };
    let settings = [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "10000"),
    ];
    settings
        .into_iter()
        .find(|(file, forbids, _)| is(file, forbids))
        .map_or("run as root".to_owned(), |(file, _, allows)| {
            format!("`sudo sysctl -w {}={allows}`, or run as root", file.replace('/', "."))
        })
}

/// This process's uid outside of its user namespace.
pub(crate) fn uid_outside() -> u32 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    outside(&map, nix::unistd::geteuid().as_raw())
}

/// Whether a uid map in the format of `/proc/self/uid_map` (first inside, first outside, count) maps more than one uid.
fn has_other_users(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    // The uids of a usual system, including `nobody` (65534).
    counts.sum::<u64>() >= 65_535
}

/// The uid outside that is mapped to `inside`.
fn outside(map: &str, inside: u32) -> u32 {
    map.lines()
        .find_map(|line| {
            let mut fields = line.split_whitespace().map(|field| field.parse::<u32>().ok());
            let (first, first_outside, count) = (fields.next()??, fields.next()??, fields.next()??);
            let offset = inside.checked_sub(first)?;
            (offset < count).then(|| first_outside + offset)
        })
        .unwrap_or(inside)
}
