//! The crate's only `unsafe` code: what std, nix and socket2 do not offer safely.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use nix::{
    fcntl::{AT_FDCWD, OFlag},
    libc,
    mount::{MntFlags, MsFlags},
    poll::{PollFd, PollFlags, PollTimeout},
    sched::{CloneFlags, CpuSet},
    sys::{signal::Signal, socket::LinkAddr, stat::Mode},
    unistd::{Gid, Pid, Uid},
};

/// One step of a new process between `fork` and `exec`, prepared beforehand so that performing it does not allocate.
#[derive(Debug)]
pub(crate) enum Step {
    /// Joins the network namespace behind this descriptor.
    JoinNetwork(OwnedFd),
    /// Unshares the mount namespace. Later mounts are private; unmounts by others still propagate into it.
    OwnMounts,
    /// Bind-mounts `source` at `target`, which must exist.
    Bind { source: CString, target: CString },
    /// Bind-mounts `source` at `target` with everything mounted below it.
    BindAll { source: CString, target: CString },
    /// Creates a symbolic link.
    Link { path: CString, leads_to: CString },
    /// Makes a mount point the new root, and unmounts the old root.
    Root(CString),
    /// Mounts an empty tmpfs.
    Tmpfs(CString),
    /// Creates a folder, unless it exists.
    MakeFolder(CString),
    /// Creates an empty file, unless it exists.
    MakeFile(CString),
    /// Mounts an overlay of the layers in `options` at `target`, read-only.
    Overlay { options: CString, target: CString },
    /// Makes a mount read-only, and with `all` those below it.
    ReadOnly { path: CString, all: bool },
    /// Mounts the processes of the PID namespace.
    Processes(CString),
    /// Mounts a separate set of pseudoterminals.
    Terminals(CString),
    /// Limits the capabilities of the program.
    Keep(Capabilities),
    /// Restricts it and its threads to these CPUs.
    Pin(CpuSet),
    /// Starts a new session and process group, so that it receives no signals from a terminal.
    OwnSession,
    /// Switches to this user, without supplementary groups and with no way to regain privilege.
    Become { uid: u32, gid: u32 },
    /// Makes the kernel kill the process when the thread that started it ends, even by SIGKILL. After [`Step::Become`], because
    /// changing user resets it.
    DieWithParent,
}

impl Step {
    /// Completes the sentence "cannot ...".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::JoinNetwork(_) => "join the pod's network namespace".to_owned(),
            Self::OwnMounts => "unshare the mount table".to_owned(),
            Self::Bind { source, target } | Self::BindAll { source, target } => {
                format!("bind-mount {} at {}", source.to_string_lossy(), target.to_string_lossy())
            }
            Self::Tmpfs(path)
            | Self::MakeFolder(path)
            | Self::MakeFile(path)
            | Self::Processes(path)
            | Self::Terminals(path) => {
                format!("make the mount point {}", path.to_string_lossy())
            }
            Self::Link { path, .. } => format!("make the link {}", path.to_string_lossy()),
            Self::Root(root) => format!("take {} for its root", root.to_string_lossy()),
            Self::Overlay { target, .. } => format!("mount an overlay at {}", target.to_string_lossy()),
            Self::ReadOnly { path, .. } => format!("make {} read-only", path.to_string_lossy()),
            Self::Keep(_) => "limit its capabilities".to_owned(),
            Self::Pin(_) => "run on the selected CPUs".to_owned(),
            Self::OwnSession => "start a session".to_owned(),
            Self::Become { uid, gid } => format!("become uid {uid}, gid {gid}"),
            Self::DieWithParent => "set its parent-death signal".to_owned(),
        }
    }

    /// Performs it. Called between `fork` and `exec`: system calls only, no allocation, no locks. `report` is a pipe to the process that
    /// starts the program.
    fn perform(&self, report: &OwnedFd) -> nix::Result<()> {
        const NONE: Option<&CStr> = None;
        match self {
            Self::JoinNetwork(namespace) => nix::sched::setns(namespace, CloneFlags::CLONE_NEWNET),
            Self::OwnMounts => {
                nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
                let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
                nix::mount::mount(NONE, c"/", NONE, flags, NONE)
            }
            Self::Bind { source, target } => {
                nix::mount::mount(Some(source.as_c_str()), target.as_c_str(), NONE, MsFlags::MS_BIND, NONE)
            }
            Self::BindAll { source, target } => {
                let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
                nix::mount::mount(Some(source.as_c_str()), target.as_c_str(), NONE, flags, NONE)
            }
            Self::Link { path, leads_to } => nix::unistd::symlinkat(leads_to.as_c_str(), AT_FDCWD, path.as_c_str()),
            Self::Root(root) => {
                nix::unistd::chdir(root.as_c_str())?;
                // The old root is stacked on the new one, and unmounted (pivot_root(2)).
                nix::unistd::pivot_root(c".", c".")?;
                nix::mount::umount2(c".", MntFlags::MNT_DETACH)?;
                nix::unistd::chdir(c"/")
            }
            Self::Tmpfs(path) => {
                let name = Some(c"tmpfs");
                nix::mount::mount(name, path.as_c_str(), name, MsFlags::empty(), Some(c"mode=755"))
            }
            Self::MakeFolder(path) => match nix::unistd::mkdir(path.as_c_str(), Mode::from_bits_retain(0o755)) {
                Err(nix::errno::Errno::EEXIST) => Ok(()),
                made => made,
            },
            Self::MakeFile(path) => {
                let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                nix::fcntl::open(path.as_c_str(), flags, Mode::from_bits_retain(0o644)).map(drop)
            }
            Self::Overlay { options, target } => {
                let (name, flags) = (Some(c"overlay"), MsFlags::MS_RDONLY);
                nix::mount::mount(name, target.as_c_str(), name, flags, Some(options.as_c_str()))
            }
            Self::ReadOnly { path, all } => make_read_only(path, *all),
            Self::Processes(path) => {
                let (name, flags) = (Some(c"proc"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC);
                nix::mount::mount(name, path.as_c_str(), name, flags, NONE)
            }
            Self::Terminals(path) => {
                let (name, flags) = (Some(c"devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC);
                nix::mount::mount(name, path.as_c_str(), name, flags, Some(c"newinstance,ptmxmode=0666"))
            }
            Self::Keep(capabilities) => capabilities.keep_only(),
            Self::Pin(cpus) => nix::sched::sched_setaffinity(Pid::from_raw(0), cpus),
            Self::OwnSession => nix::unistd::setsid().map(drop),
            Self::Become { uid, gid } => {
                nix::unistd::setgroups(&[])?;
                nix::unistd::setgid(Gid::from_raw(*gid))?;
                nix::unistd::setuid(Uid::from_raw(*uid))?;
                // SAFETY: takes integers only.
                let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
                nix::errno::Errno::result(done).map(drop)
            }
            Self::DieWithParent => {
                // SAFETY: takes integers only.
                let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
                nix::errno::Errno::result(done)?;
                // It may have ended before the line above took effect. In another PID namespace, its pid is unknown; then nobody reads.
                let mut reader = [PollFd::new(report.as_fd(), PollFlags::empty())];
                nix::poll::poll(&mut reader, PollTimeout::ZERO)?;
                let is_gone = reader[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
                if is_gone { Err(nix::errno::Errno::ECHILD) } else { Ok(()) }
            }
        }
    }
}

/// Makes a mount read-only, or all mounts at and below a path. Those that are mounted there later are not affected.
fn make_read_only(path: &CStr, all: bool) -> nix::Result<()> {
    // SAFETY: all-zero bytes are a valid `mount_attr`, which changes nothing.
    let mut attributes: libc::mount_attr = unsafe { mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_RDONLY;
    let flags = if all { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: a path that lives through the call, integers, and a whole structure with its length.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    nix::errno::Errno::result(done).map(drop)
}

/// A set of capabilities (`linux/capability.h`), as in `/proc/PID/status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities(u64);

impl Capabilities {
    /// What containers have by default (containerd, `oci/spec.go`), except `CAP_MKNOD`: there is no filter of devices. `CHOWN`,
    /// `DAC_OVERRIDE`, `FOWNER`, `FSETID`, `KILL`, `SETGID`, `SETUID`, `SETPCAP`, `NET_BIND_SERVICE`, `NET_RAW`, `SYS_CHROOT`,
    /// `AUDIT_WRITE`, `SETFCAP`.
    pub(crate) const CONTAINER: Self = Self(
        1 | 1 << 1
            | 1 << 3
            | 1 << 4
            | 1 << 5
            | 1 << 6
            | 1 << 7
            | 1 << 8
            | 1 << 10
            | 1 << 13
            | 1 << 18
            | 1 << 29
            | 1 << 31,
    );
    /// `NET_ADMIN`.
    pub(crate) const NETWORK: Self = Self(1 << 12);

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Removes all others from what programs executed by this process can have.
    fn keep_only(self) -> nix::Result<()> {
        for capability in (0..64).filter(|number| self.0 & 1 << number == 0) {
            // SAFETY: takes integers only.
            let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
            match nix::errno::Errno::result(done) {
                // The kernel has no more of them.
                Err(nix::errno::Errno::EINVAL) => break,
                done => done.map(drop)?,
            };
        }
        Ok(())
    }
}

/// Makes `command` perform `steps` in order in the new process. If one fails, its index is written to `report` as one byte.
pub(crate) fn before_exec(command: &mut Command, steps: Vec<Step>, report: OwnedFd) {
    let perform_all = move || {
        for (index, step) in (0u8..).zip(&steps) {
            if let Err(errno) = step.perform(&report) {
                // If this fails the caller still gets the error number.
                let _ = nix::unistd::write(&report, &[index]);
                return Err(io::Error::from_raw_os_error(errno as i32));
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls on data prepared above. It neither allocates nor takes a lock: `Step::perform`
    // has only thin wrappers of system calls, and an `io::Error` of an error number is a plain value.
    unsafe {
        command.pre_exec(perform_all);
    }
}

/// Tries to unshare first `one` and then `other`, in a child process, because a process with threads cannot.
pub(crate) fn try_in_child(one: CloneFlags, other: CloneFlags) -> io::Result<()> {
    use nix::{
        sys::wait::{WaitStatus, waitpid},
        unistd::{ForkResult, fork},
    };
    // SAFETY: the child only makes system calls, and ends without running anything of this process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let done = nix::sched::unshare(one).and_then(|()| nix::sched::unshare(other));
            // SAFETY: ends the child at once; takes an integer.
            unsafe { libc::_exit(done.map_or_else(|errno| errno as i32, |()| 0)) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, errno) => Err(io::Error::from_raw_os_error(errno)),
            status => Err(io::Error::other(format!("the child that tried it ended: {status:?}"))),
        },
    }
}

/// A descriptor that keeps referring to the process `pid` even after the pid is reused.
pub(crate) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends `signal` to the process behind `pidfd`; `ESRCH` if it has been reaped.
pub(crate) fn pidfd_send_signal(pidfd: impl AsFd, signal: Signal) -> io::Result<()> {
    // SAFETY: a valid descriptor, integers, and a null pointer that means "no further information".
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_fd().as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The link-layer address that binds an AF_PACKET socket to interface `index`, for all protocols.
pub(crate) fn every_packet_of(index: u32) -> LinkAddr {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    // SAFETY: points at a whole `sockaddr_ll` of family AF_PACKET, and gives its length.
    let address = unsafe {
        nix::sys::socket::SockaddrLike::from_raw(
            (&raw const address).cast(),
            Some(size_of_val(&address) as libc::socklen_t),
        )
    };
    address.expect("the family was set to AF_PACKET")
}

/// Counters of an AF_PACKET socket since they were last read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketStatistics {
    /// Packets dropped because the buffer was full.
    pub(crate) dropped: u32,
}

/// Reads and resets the counters of an AF_PACKET socket.
pub(crate) fn packet_statistics(socket: impl AsFd) -> io::Result<PacketStatistics> {
    // SAFETY: all-zero bytes are a valid `tpacket_stats`.
    let mut stats: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut length = size_of_val(&stats) as libc::socklen_t;
    // SAFETY: a valid descriptor, and a buffer with its true length.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut length,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PacketStatistics { dropped: stats.tp_drops })
}

/// Makes an AF_PACKET socket receive only incoming packets of its interface.
pub(crate) fn ignore_outgoing(socket: impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: a valid descriptor, and a value with its true length.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives the calling thread real-time priority, if the host allows it.
pub(crate) fn make_realtime() -> io::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: 0 is the calling thread, and the parameters are whole.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const lowest) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
