//! Finding and killing all processes in a namespace.

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
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    namespace::{Identity, Namespace},
    sys,
};

/// How long a process may take to die of SIGKILL. Longer only if it is stuck in the kernel.
const DEATH: Duration = Duration::from_secs(5);

/// Kills all processes in the namespaces, and waits until they have exited. Returns descriptions of those that have not.
///
/// Finds processes by their namespace rather than by a list of those that were started, so it also finds children of programs, and
/// a process that was started just before its creator was killed.
pub(crate) fn kill_all_in(namespaces: &[Namespace]) -> Vec<String> {
    let mut targets: HashSet<Identity> = namespaces.iter().filter_map(Namespace::identity).collect();
    // Never the host's own namespace, whatever a lab's file refers to.
    if let Some(host) = Identity::read(Path::new("/proc/1/ns/net")) {
        targets.remove(&host);
    }
    let deadline = Instant::now() + DEATH;
    loop {
        // Processes may fork meanwhile: repeat until there are none.
        let members = members(&targets);
        if members.is_empty() {
            return Vec::new();
        }
        for member in &members {
            // Fails if it has exited meanwhile.
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

/// Whether a signal has its default effect on a process: it neither handles nor ignores it.
pub(crate) fn leaves_to_default(pid: u32, signal: Signal) -> bool {
    // proc_pid_status(5): a bit for each signal, the lowest for signal 1.
    let bit = 1 << (signal as i32 - 1);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let sets = status.lines().filter_map(|line| line.strip_prefix("SigIgn:").or_else(|| line.strip_prefix("SigCgt:")));
    !sets.filter_map(|set| u64::from_str_radix(set.trim(), 16).ok()).any(|set| set & bit != 0)
}

/// Lets the process group that a program leads go on, if it is stopped: until then signals have no effect on it.
pub(crate) fn resume(pid: u32) {
    // Fails if it has just ended.
    let _ = killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGCONT);
}

/// Waits until the process behind `pidfd` has exited. Returns whether it has by the deadline.
pub(crate) fn ended_by(pidfd: &OwnedFd, deadline: Instant) -> bool {
    readable_by(&[pidfd.as_fd()], deadline)[0]
}

/// Waits until one of the descriptors is readable or the deadline has passed. Returns which of them are.
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

/// The remaining time, rounded up so that the last poll does not busy-loop.
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
            // The descriptor pins the process: check again, in case the pid was reused in between.
            is_in(pid, targets).then_some(Member { pid, pidfd })
        })
        .collect()
}

fn is_in(pid: Pid, targets: &HashSet<Identity>) -> bool {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    Identity::read(&path).is_some_and(|identity| targets.contains(&identity))
}

/// Whether an error says that the process has exited and was reaped.
pub(crate) fn has_ended(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ESRCH as i32)
}
