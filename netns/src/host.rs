//! What this host can do, and how to mend what it cannot.

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

/// What a host can do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Host {
    /// By what right this process makes labs; `None` when it cannot.
    pub privilege: Option<Privilege>,
    /// What was tried, in an order in which a person would mend it.
    pub checks: Vec<Check>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is, such as `nat for IPv6`.
    pub what: String,
    /// Whether a lab needs it.
    pub needed: bool,
    /// What came of it.
    pub found: Found,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It works; a detail, such as a version.
    Works(String),
    /// It does not.
    Missing {
        /// What went wrong.
        why: String,
        /// What to do about it.
        mend: String,
    },
}

impl Host {
    /// Tries everything, in a namespace that is gone afterwards. Call [`Privilege::acquire`] before.
    pub fn probe() -> Self {
        let privilege = Privilege::current();
        let mut checks = vec![
            privilege_check(privilege),
            check("user namespaces", privilege.is_none(), user_namespaces(), &privilege::mend()),
            check("a folder for labs", true, registry::probe(), "set XDG_RUNTIME_DIR to a folder of your own"),
        ];
        for tool in ["iptables", "ip6tables"] {
            checks.push(check(tool, true, version(tool), INSTALL));
        }
        match in_fresh_namespace(checks_inside) {
            Ok(inside) => {
                checks.push(works("network namespaces", true, "can be made"));
                checks.extend(inside);
            }
            Err(error) => checks.push(check("network namespaces", true, Err(error), "run as root")),
        }
        Self { privilege, checks }
    }

    /// Whether all that a lab needs is there.
    pub fn can_make_labs(&self) -> bool {
        self.checks.iter().all(|check| !check.needed || matches!(check.found, Found::Works(_)))
    }
}

/// Whether a lab's packets can be [held back](crate::Lab::delay) here: tried in a namespace that is gone afterwards.
///
/// # Errors
///
/// What went wrong. Without privilege nothing is tried, and that is the error.
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
            found: Found::Missing { why: "an ordinary user".to_owned(), mend: privilege::mend() },
        },
    }
}

/// What is tried inside a namespace made for it.
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
    // The last: nothing gets through this namespace afterwards.
    let queue = "load the kernel modules nfnetlink_queue and xt_NFQUEUE; without them `--rtt` does not work";
    checks.push(check("delay between pods", false, delay_works(), queue));
    checks
}

fn routing() -> Result<String> {
    sysctl::set_all(sysctl::EVERY_HOST.iter().chain(sysctl::ROUTER).copied())?;
    Netlink::open("doctor")?.set_up(Link::LOOPBACK)?;
    Ok("IPv4 and IPv6 forwarding".to_owned())
}

/// Redirects a connection as a sidecar's rules do, and asks where it was to go.
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
    .doing(|| "ask for SO_ORIGINAL_DST".to_owned())?;
    if found == dialled {
        Ok("a redirected connection knows where it was to go".to_owned())
    } else {
        Err(io::Error::other(format!("it says {found} in place of {dialled}")))
            .doing(|| "use SO_ORIGINAL_DST".to_owned())
    }
}

fn delay_works() -> Result<String> {
    delay::probe().map(|(asked, took)| format!("a round trip of {asked:?} took {took:.1?}"))
}

fn user_namespaces() -> Result<String> {
    sys::try_in_child(CloneFlags::CLONE_NEWUSER, CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)
        .doing(|| "make a user namespace with others inside it".to_owned())?;
    Ok("can be made".to_owned())
}

/// Version and flavour, as the tool says it: `iptables v1.8.9 (nf_tables)`.
fn version(tool: &'static str) -> Result<String> {
    let output = Command::new(rules::find_tool(tool)?).arg("--version").output().doing(|| format!("run {tool}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn works(what: &str, needed: bool, detail: &str) -> Check {
    Check { what: what.to_owned(), needed, found: Found::Works(detail.to_owned()) }
}

fn check(what: &str, needed: bool, tried: Result<String>, mend: &str) -> Check {
    let found = match tried {
        Ok(detail) => Found::Works(detail),
        Err(Error::ToolMissing { tool, .. }) => {
            Found::Missing { why: format!("`{tool}` is not on this host"), mend: INSTALL.to_owned() }
        }
        Err(error) => Found::Missing { why: error.to_string(), mend: mend.to_owned() },
    };
    Check { what: what.to_owned(), needed, found }
}
