//! What this host supports, and how to fix what it does not.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    process::Command,
    time::Duration,
};

use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{SockaddrIn, SockaddrIn6, getsockopt, sockopt},
};

use crate::{
    Privilege, capture, delay,
    error::{Doing, Error, Result},
    namespace::on_fresh_thread,
    netlink::{Link, Netlink},
    privilege, registry,
    rules::{self, Family, Load},
    sys, sysctl,
};

/// What a host supports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Host {
    /// The privilege of this process; `None` if it cannot create labs.
    pub privilege: Option<Privilege>,
    /// The checks, in the order in which their failures are best fixed.
    pub checks: Vec<Check>,
}

/// One check of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its subject, such as `nat for IPv6`.
    pub what: String,
    /// Whether a lab needs it; the others are optional.
    pub needed: bool,
    /// The result.
    pub found: Found,
}

/// The result of a [`Check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It works. The text is a detail, such as a version.
    Works(String),
    /// It does not work.
    Missing {
        /// The reason.
        why: String,
        /// How to fix it.
        fix: String,
    },
}

impl Host {
    /// Runs all checks, in a temporary network namespace. Call [`Privilege::acquire`] first.
    pub fn probe() -> Self {
        let privilege = Privilege::current();
        let mut checks = vec![
            privilege_check(privilege),
            check("user namespaces", privilege.is_none(), user_namespaces(), &privilege::fix()),
            check("a folder for labs", true, registry::probe(), "set XDG_RUNTIME_DIR to a folder of your own"),
        ];
        for tool in ["iptables", "ip6tables"] {
            checks.push(check(tool, true, version(tool), INSTALL));
        }
        match in_fresh_namespace(checks_inside) {
            Ok(inside) => {
                checks.push(works("network namespaces", true, "can be created"));
                checks.extend(inside);
            }
            Err(error) => checks.push(check("network namespaces", true, Err(error), "run as root")),
        }
        Self { privilege, checks }
    }

    /// Whether every check that a lab needs passed.
    pub fn can_make_labs(&self) -> bool {
        self.checks.iter().all(|check| !check.needed || matches!(check.found, Found::Works(_)))
    }
}

/// Checks that [`Lab::delay`](crate::Lab::delay) works here, in a temporary network namespace.
///
/// # Errors
///
/// The reason why it does not. Fails without privilege, too, before anything is tried.
pub fn can_delay() -> Result<()> {
    in_fresh_namespace(delay::probe)?.map(drop)
}

fn in_fresh_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    on_fresh_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).doing(|| "make a network namespace".to_owned())?;
        Ok(work())
    })
}

const INSTALL: &str = "install the package `iptables`";

fn privilege_check(privilege: Option<Privilege>) -> Check {
    let what = "privilege";
    match privilege {
        Some(Privilege::Root) => works(what, true, "root"),
        Some(Privilege::UserNamespace) => works(what, true, "root of a user namespace: one user for all programs"),
        None => Check {
            what: what.to_owned(),
            needed: true,
            found: Found::Missing { why: "an ordinary user".to_owned(), fix: privilege::fix() },
        },
    }
}

/// The checks that run inside the temporary namespace.
fn checks_inside() -> Vec<Check> {
    const KERNEL: &str = "load the kernel modules nf_conntrack, nf_nat, xt_REDIRECT, or use a kernel that has them";
    let mut checks = vec![check("routing", true, routing(), "run on a host whose /proc/sys/net can be written to")];
    for family in Family::ALL {
        let name = match family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        let what = format!("nat and SO_ORIGINAL_DST for {name}");
        checks.push(check(&what, true, original_dst(family), KERNEL));
    }
    let packets = capture::probe().map(|()| "AF_PACKET on lo".to_owned());
    checks.push(check("packet capture", true, packets, "run as root, on a kernel with CONFIG_PACKET"));
    // Last: no packet gets through this namespace afterwards.
    let queue = "load the kernel modules nfnetlink_queue and xt_NFQUEUE; without them `--rtt` does not work";
    checks.push(check("delay between pods", false, delay_works(), queue));
    checks
}

fn routing() -> Result<String> {
    sysctl::set_all(sysctl::EVERY_HOST.iter().chain(sysctl::ROUTER).copied())?;
    Netlink::open("doctor")?.set_up(Link::LOOPBACK)?;
    Ok("IPv4 and IPv6 forwarding".to_owned())
}

/// Redirects a connection as a sidecar's rules do, and reads its original destination.
fn original_dst(family: Family) -> Result<String> {
    const DIALLED: u16 = 80;
    let local = match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    };
    let doing = || "redirect a connection".to_owned();
    let listener = TcpListener::bind(SocketAddr::new(local, 0)).doing(doing)?;
    let port = listener.local_addr().doing(doing)?.port();
    let rules = format!("*nat\n-A OUTPUT -p tcp --dport {DIALLED} -j REDIRECT --to-ports {port}\nCOMMIT\n");
    rules::load("doctor", [(family, &*rules)], Load::Add)?;
    let dialled = SocketAddr::new(local, DIALLED);
    let _client = TcpStream::connect_timeout(&dialled, Duration::from_secs(1)).doing(doing)?;
    let (server, _) = listener.accept().doing(doing)?;
    let found: SocketAddr = match family {
        Family::V4 => getsockopt(&server.as_fd(), sockopt::OriginalDst).map(|address| {
            let address = SockaddrIn::from(address);
            SocketAddr::new(address.ip().into(), address.port())
        }),
        Family::V6 => getsockopt(&server.as_fd(), sockopt::Ip6tOriginalDst).map(|address| {
            let address = SockaddrIn6::from(address);
            SocketAddr::new(address.ip().into(), address.port())
        }),
    }
    .doing(|| "read SO_ORIGINAL_DST".to_owned())?;
    if found == dialled {
        Ok("a redirected connection keeps its original destination".to_owned())
    } else {
        Err(io::Error::other(format!("it returned {found} instead of {dialled}")))
            .doing(|| "use SO_ORIGINAL_DST".to_owned())
    }
}

fn delay_works() -> Result<String> {
    delay::probe().map(|(expected, took)| format!("a round trip of {expected:?} took {took:.1?}"))
}

fn user_namespaces() -> Result<String> {
    sys::try_in_child(CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .doing(|| "make a user namespace with another namespace inside it".to_owned())?;
    Ok("can be created".to_owned())
}

/// Version and flavour of the tool, such as `iptables v1.8.9 (nf_tables)`.
fn version(tool: &'static str) -> Result<String> {
    let output = Command::new(rules::find_tool(tool)?).arg("--version").output().doing(|| format!("run {tool}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn works(what: &str, needed: bool, detail: &str) -> Check {
    Check { what: what.to_owned(), needed, found: Found::Works(detail.to_owned()) }
}

fn check(what: &str, needed: bool, result: Result<String>, fix: &str) -> Check {
    let found = match result {
        Ok(detail) => Found::Works(detail),
        Err(Error::ToolMissing { tool, .. }) => {
            Found::Missing { why: format!("`{tool}` is not on this host"), fix: INSTALL.to_owned() }
        }
        Err(error) => Found::Missing { why: error.to_string(), fix: fix.to_owned() },
    };
    Check { what: what.to_owned(), needed, found }
}
