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
    /// Bind-mounts `source` at `target`, and keeps the existing mount at `keep`, a folder below it. `folders` are those on the way.
    BindAround { source: CString, target: CString, folders: Vec<CString>, keep: CString },
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
    /// Mounts an overlay of the layers in `options` at `target`, read-only. `keep`, a folder in it, stays as it was.
    Overlay { options: CString, target: CString, keep: Option<CString> },
    /// Restricts it and its threads to these CPUs.
    Pin(CpuSet),
    /// Starts a new session and process group, so that it receives no signals from a terminal.
    OwnSession,
    /// Switches to this user, without supplementary groups and with no way to regain privilege.
    Become { uid: u32, gid: u32 },
    /// Makes the kernel kill the process when the process `parent` ends, even by SIGKILL. After [`Step::Become`], because changing user resets it.
    DieWith { parent: Pid },
}

impl Step {
    /// Completes the sentence "cannot ...".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::JoinNetwork(_) => "join the pod's network namespace".to_owned(),
            Self::OwnMounts => "unshare the mount table".to_owned(),
            Self::Bind { source, target }
            | Self::BindAll { source, target }
            | Self::BindAround { source, target, .. } => {
                format!("bind-mount {} at {}", source.to_string_lossy(), target.to_string_lossy())
            }
            Self::Tmpfs(path) | Self::MakeFolder(path) | Self::MakeFile(path) => {
                format!("make the mount point {}", path.to_string_lossy())
            }
            Self::Link { path, .. } => format!("make the link {}", path.to_string_lossy()),
            Self::Root(root) => format!("take {} for its root", root.to_string_lossy()),
            Self::Overlay { target, .. } => format!("mount an overlay at {}", target.to_string_lossy()),
            Self::Pin(_) => "run on the selected CPUs".to_owned(),
            Self::OwnSession => "start a session".to_owned(),
            Self::Become { uid, gid } => format!("become uid {uid}, gid {gid}"),
            Self::DieWith { .. } => "set its parent-death signal".to_owned(),
        }
    }

    /// Performs it. Called between `fork` and `exec`: system calls only, no allocation, no locks.
    fn perform(&self) -> nix::Result<()> {
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
            Self::BindAround { source, target, folders, keep } => {
                let kept = clone_tree(keep)?;
                nix::mount::mount(Some(source.as_c_str()), target.as_c_str(), NONE, MsFlags::MS_BIND, NONE)?;
                folders.iter().try_for_each(|folder| make_folder(folder))?;
                attach_tree(&kept, keep)
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
            Self::MakeFolder(path) => make_folder(path),
            Self::MakeFile(path) => {
                let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                nix::fcntl::open(path.as_c_str(), flags, Mode::from_bits_retain(0o644)).map(drop)
            }
            Self::Overlay { options, target, keep } => {
                let kept = keep.as_ref().map(|folder| Ok((folder, clone_tree(folder)?))).transpose()?;
                let (name, flags) = (Some(c"overlay"), MsFlags::MS_RDONLY);
                nix::mount::mount(name, target.as_c_str(), name, flags, Some(options.as_c_str()))?;
                kept.map_or(Ok(()), |(folder, tree)| attach_tree(&tree, folder))
            }
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
            Self::DieWith { parent } => {
                // SAFETY: takes integers only.
                let done = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
                nix::errno::Errno::result(done)?;
                // The parent may have ended before the line above took effect.
                if nix::unistd::getppid() == *parent { Ok(()) } else { Err(nix::errno::Errno::ECHILD) }
            }
        }
    }
}

/// Creates a folder, unless it exists.
fn make_folder(path: &CStr) -> nix::Result<()> {
    match nix::unistd::mkdir(path, Mode::from_bits_retain(0o755)) {
        Err(nix::errno::Errno::EEXIST) => Ok(()),
        made => made,
    }
}

/// A detached copy of the mounts at and below a path.
fn clone_tree(path: &CStr) -> nix::Result<OwnedFd> {
    const CLONE: libc::c_uint =
        libc::OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: a path that lives through the call, and integers.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), CLONE) };
    let fd = nix::errno::Errno::result(fd)?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Mounts what [`clone_tree`] copied.
fn attach_tree(tree: &OwnedFd, path: &CStr) -> nix::Result<()> {
    let (from, here) = (tree.as_raw_fd(), libc::AT_FDCWD);
    // SAFETY: a valid descriptor, paths that live through the call, and integers.
    let done = unsafe {
        libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), here, path.as_ptr(), libc::MOVE_MOUNT_F_EMPTY_PATH)
    };
    nix::errno::Errno::result(done).map(drop)
}

/// Makes `command` perform `steps` in order in the new process. If one fails, its index is written to `report` as one byte.
pub(crate) fn before_exec(command: &mut Command, steps: Vec<Step>, report: OwnedFd) {
    let perform_all = move || {
        for (index, step) in (0u8..).zip(&steps) {
            if let Err(errno) = step.perform() {
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
