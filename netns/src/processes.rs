//! Finding and ending every process that is in a namespace.

use std::{
    collections::HashSet,
    fs,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::signal::Signal,
    unistd::Pid,
};

use crate::{
    namespace::{Identity, Namespace},
    sys,
};

/// How long a process that was sent SIGKILL may take to end. It takes longer only while it is stuck in the kernel.
const DEATH: Duration = Duration::from_secs(5);

/// Kills every process in the namespaces, and waits until all have ended. Gives back what did not end.
///
/// Goes by where a process is, not by a list of those that were started: it so finds the children of programs too, and what
/// was started in the moment before a creator was killed.
pub(crate) fn kill_all_in(namespaces: &[Namespace]) -> Vec<String> {
    let mut targets: HashSet<Identity> = namespaces.iter().filter_map(Namespace::identity).collect();
    // Whatever a file says, the host's own namespace is no lab's.
    if let Some(host) = Identity::of(Path::new("/proc/1/ns/net")) {
        targets.remove(&host);
    }
    let deadline = Instant::now() + DEATH;
    loop {
        // A process may fork while we look: look again until there is none.
        let members = members(&targets);
        if members.is_empty() {
            return Vec::new();
        }
        for member in &members {
            // One that has ended meanwhile cannot be killed, and need not be.
            let _ = sys::pidfd_send_signal(&member.pidfd, Signal::SIGKILL);
        }
        let left: Vec<String> = members
            .iter()
            .filter(|member| !ended_by(&member.pidfd, deadline))
            .map(|member| format!("process {} does not end", member.pid))
            .collect();
        if !left.is_empty() {
            return left;
        }
    }
}

/// Waits until the process behind `pidfd` has ended. Whether it has, at the deadline.
pub(crate) fn ended_by(pidfd: &OwnedFd, deadline: Instant) -> bool {
    readable_by(&[pidfd.as_fd()], deadline)[0]
}

/// Waits until one of the descriptors can be read; which of them can be, at the deadline.
pub(crate) fn readable_by(descriptors: &[std::os::fd::BorrowedFd<'_>], deadline: Instant) -> Vec<bool> {
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN)).collect();
    loop {
        let done = nix::poll::poll(&mut polled, until(deadline));
        let timed_out = Instant::now() >= deadline;
        if done.is_ok_and(|ready| ready > 0) || timed_out {
            return polled.iter().map(|polled| polled.any().unwrap_or(false)).collect();
        }
    }
}

/// The time that is left, rounded up so that the last wait is not a busy one.
fn until(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

struct Member {
    pid: Pid,
    pidfd: OwnedFd,
}

fn members(targets: &HashSet<Identity>) -> Vec<Member> {
    if targets.is_empty() {
        return Vec::new();
    }
    let own = Pid::this();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .filter(|pid| *pid != own && is_in(*pid, targets))
        .filter_map(|pid| {
            let pidfd = sys::pidfd_open(pid).ok()?;
            // Held by its descriptor now: look again, lest the pid was given to another in between.
            is_in(pid, targets).then_some(Member { pid, pidfd })
        })
        .collect()
}

fn is_in(pid: Pid, targets: &HashSet<Identity>) -> bool {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    Identity::of(&path).is_some_and(|identity| targets.contains(&identity))
}

/// Whether an error says that the process has ended and was waited for.
pub(crate) fn has_ended(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ESRCH as i32)
}
