//! Pods: hosts of their own, on a cable to the node.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    files,
    lab::Shared,
    namespace::Namespace,
    netlink::{Link, Mac, Netlink, VethPair},
    rules::{self, Family, Load},
    sysctl,
};

#[cfg(test)]
mod tests;

/// The largest packet on a pod's cable, in bytes: Ethernet's own.
pub const MTU: u32 = 1500;

/// The next hop of every pod. It answers nothing: its Ethernet address is fixed in the pod.
const GATEWAY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];

/// The Ethernet address of the node's end of every cable. No two of them share a link.
const NODE_MAC: Mac = Mac([0xee; 6]);

/// What a pod is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Unique in its lab, such as `client.default`. Letters, digits, `-`, `_` and `.`, at most 200 of them.
    pub name: String,
    /// Its IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address. It has one address at least.
    pub v6: Option<Ipv6Addr>,
    /// Text of its `/etc/hosts`.
    pub hosts: String,
    /// Text of its `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Addresses of `lo` beside the usual ones, such as `::6/128`.
    pub loopback: Vec<IpNet>,
    /// Kernel settings by their dotted names, such as `net.ipv4.ip_unprivileged_port_start`, and their values.
    pub sysctls: Vec<(String, String)>,
    /// IPv4 rules as `iptables-restore` reads them.
    pub iptables: Option<String>,
    /// IPv6 rules as `ip6tables-restore` reads them.
    pub ip6tables: Option<String>,
}

impl PodSpec {
    /// A pod with these addresses, whose `/etc/hosts` knows `localhost` and the pod itself.
    pub fn new(name: impl Into<String>, v4: Ipv4Addr, v6: Ipv6Addr) -> Self {
        let name = name.into();
        Self {
            hosts: format!("127.0.0.1 localhost\n::1 localhost\n{v4} {name}\n{v6} {name}\n"),
            v4: Some(v4),
            v6: Some(v6),
            name,
            ..Self::default()
        }
    }

    /// Its addresses, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }

    /// # Errors
    ///
    /// [`Error::BadSpec`] when the name cannot be one, or there is no address.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |why: &str| Err(Error::BadSpec { what: format!("pod `{}`", self.name), why: why.to_owned() });
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !(1..=200).contains(&self.name.len()) || !self.name.chars().all(allowed) || self.name.starts_with('.') {
            return bad("a pod's name is 1 to 200 letters, digits, `-`, `_` or `.`, not `.` first");
        }
        if self.name == NODE {
            return bad("`node` is the name of the node");
        }
        if self.addresses().next().is_none() {
            return bad("a pod has an IPv4 or an IPv6 address");
        }
        Ok(())
    }

    fn rules(&self) -> impl Iterator<Item = (Family, &str)> {
        [(Family::V4, &self.iptables), (Family::V6, &self.ip6tables)]
            .into_iter()
            .filter_map(|(family, rules)| Some((family, rules.as_deref()?)))
    }

    /// An Ethernet address that follows from the pod's address, so that a capture reads the same in every run.
    fn mac(&self) -> Mac {
        let [a, b, c, d] = match (self.v4, self.v6) {
            (Some(v4), _) => v4.octets(),
            (None, v6) => {
                let [.., a, b, c, d] = v6.unwrap_or(Ipv6Addr::UNSPECIFIED).octets();
                [a, b, c, d]
            }
        };
        Mac([0x0a, 0x58, a, b, c, d])
    }
}

/// The name of the node's namespace in its lab.
pub(crate) const NODE: &str = "node";

/// A pod of a lab: a handle that can be cloned and sent to other threads.
///
/// It does not keep the lab up. When the lab is gone, what it is asked to do fails.
#[derive(Debug, Clone)]
pub struct Pod {
    pub(crate) shared: Arc<Shared>,
    spec: Arc<PodSpec>,
    namespace: Namespace,
}

impl Pod {
    /// A handle of a pod that is there or is about to be made.
    pub(crate) fn new(shared: Arc<Shared>, spec: PodSpec) -> Self {
        let namespace = shared.namespace(&spec.name);
        Self { shared, spec: Arc::new(spec), namespace }
    }

    /// What it was made of.
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// Its name in the lab, such as `client.default`.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name of its network namespace, as `ip netns exec` wants it.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// A folder of its own below the lab's, removed with the lab: a place for configuration and the like. Mode 0755, owned by root.
    pub fn dir(&self) -> PathBuf {
        self.shared.dir.join("pods").join(&self.spec.name)
    }

    /// The folder of its programs' logs, beside [`dir`](Self::dir): root's, like the files in it whose programs have no other user.
    pub fn log_dir(&self) -> PathBuf {
        self.shared.dir.join("logs").join(&self.spec.name)
    }

    /// Runs `work` on a fresh thread inside the pod's network namespace, and waits for it. Sockets that it opens stay there.
    ///
    /// The thread sees the host's files, not the pod's `/etc/hosts`.
    ///
    /// # Errors
    ///
    /// When the pod has been removed, or this process may not enter it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.run(work)
    }

    /// Adds rules, as `iptables-restore --noflush` reads them.
    ///
    /// # Errors
    ///
    /// [`Error::RuleRefused`] names the line; then none of the rules is in force.
    pub fn add_rules(&self, family: Family, rules: &str) -> Result<()> {
        self.namespace.run(|| rules::load(self.namespace(), [(family, rules)], Load::Add))?
    }

    pub(crate) fn open_namespace(&self) -> Result<File> {
        self.namespace.open()
    }

    /// The files that the pod's programs see in place of the host's.
    pub(crate) fn etc_files(&self) -> [(PathBuf, &'static Path); 2] {
        [
            (self.dir().join("hosts"), Path::new("/etc/hosts")),
            (self.dir().join("resolv.conf"), Path::new("/etc/resolv.conf")),
        ]
    }

    /// Makes the pod, and its cable to the node, whose end is called `node_link`.
    pub(crate) fn make(&self, node: &Namespace, node_link: &str) -> Result<()> {
        files::make_dir(&self.dir())?;
        files::make_dir(&self.log_dir())?;
        let texts = [&self.spec.hosts, &self.spec.resolv_conf];
        for ((file, _), text) in self.etc_files().iter().zip(texts) {
            files::write_file(file, text)?;
        }
        let node_file = node.open()?;
        self.namespace.create(|| {
            sysctl::set_all(sysctl::EVERY_HOST.iter().copied())?;
            let mut netlink = Netlink::open_listening(self.namespace())?;
            netlink.set_up(Link::LOOPBACK)?;
            for address in &self.spec.loopback {
                netlink.add_address(Link::LOOPBACK, *address)?;
            }
            netlink.add_veth(&VethPair {
                here: "eth0",
                here_mac: self.spec.mac(),
                there: node_link,
                there_mac: NODE_MAC,
                there_namespace: node_file.as_fd(),
                mtu: MTU,
            })?;
            let eth0 = Link::find("eth0")?;
            for address in self.spec.addresses() {
                netlink.add_address(eth0, address.into())?;
            }
            for (address, gateway) in self.spec.addresses().flat_map(|address| {
                GATEWAY
                    .into_iter()
                    .filter(move |gateway| gateway.is_ipv4() == address.is_ipv4())
                    .map(move |gateway| (address, gateway))
            }) {
                netlink.add_neighbour(eth0, gateway, NODE_MAC)?;
                netlink.add_route(eth0, everywhere(address), Some(gateway))?;
            }
            let own = self.spec.sysctls.iter();
            sysctl::set_all(own.map(|(name, value)| (name.as_str(), value.as_str())))?;
            rules::load(self.namespace(), self.spec.rules(), Load::Add)?;
            // From here on this thread is in the node. The pod's netlink socket stays where it was opened.
            node.join()?;
            self.route_from_node(&Netlink::open(node.name())?, node_link)?;
            netlink.wait_until_up(eth0)
        })
    }

    /// Makes the node's side of the cable: routes to the pod. Called inside the node.
    fn route_from_node(&self, netlink: &Netlink<'_>, node_link: &str) -> Result<()> {
        let link = Link::find(node_link)?;
        netlink.set_up(link)?;
        for address in self.spec.addresses() {
            netlink.add_neighbour(link, address, self.spec.mac())?;
            netlink.add_route(link, address.into(), None)?;
        }
        Ok(())
    }
}

/// The default route's destination in the family of `address`.
pub(crate) fn everywhere(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
