//! By what right this process makes namespaces: as root, or as root of a user namespace of its own.

use std::{fs, io, path::Path};

use nix::{mount::MsFlags, sched::CloneFlags};

use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// By what right this process makes namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// It is root, and can run programs as any user. Its namespaces have names that `ip netns exec` knows.
    Root,
    /// It is root of a user namespace, in which there is one user only: programs all run as that one. Its namespaces are seen from inside
    /// alone, and vanish with it.
    UserNamespace,
}

impl Privilege {
    /// What this process has now: `None` when it is an ordinary user's.
    pub fn current() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        Some(if has_other_users(&map) { Self::Root } else { Self::UserNamespace })
    }

    /// Gets what this process needs to make labs: an ordinary user's process enters a user namespace of its own, for good.
    ///
    /// Call it first in `main`: the kernel lets a process do so only while it has one thread.
    ///
    /// # Errors
    ///
    /// When the host does not allow user namespaces, with the setting that would.
    pub fn acquire() -> Result<Self> {
        match Self::current() {
            Some(privilege) => Ok(privilege),
            None => enter_user_namespace(),
        }
    }
}

fn enter_user_namespace() -> Result<Privilege> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| not_allowed(errno.into()))?;
    for (file, text) in [
        // The kernel wants groups given up before it maps one.
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {uid} 1")),
        ("/proc/self/gid_map", format!("0 {gid} 1")),
    ] {
        fs::write(file, text).map_err(not_allowed)?;
    }
    const NONE: Option<&str> = None;
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    // AppArmor, where it restricts user namespaces, lets one be made but nothing be done in it: this is the first thing.
    nix::mount::mount(NONE, "/", NONE, flags, NONE).map_err(|errno| not_allowed(errno.into()))?;
    Ok(Privilege::UserNamespace)
}

fn not_allowed(source: io::Error) -> Error {
    Error::NoUserNamespace { source, mend: mend() }
}

/// Which of the settings that forbid user namespaces is set, and what to do about it.
pub(crate) fn mend() -> String {
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

/// The user of this process as the host knows it: in a user namespace we are root, but of nothing outside it.
pub(crate) fn uid_outside() -> u32 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    outside(&map, nix::unistd::geteuid().as_raw())
}

/// Whether a uid map, as in `/proc/self/uid_map`, has more users than oneself: lines of first inside, first outside, count.
fn has_other_users(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    // Those of a usual system, `nobody` (65534) among them.
    counts.sum::<u64>() >= 65_535
}

/// The uid outside of the uid `inside`.
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
