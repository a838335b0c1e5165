//! Pods: hosts on the lab's network, each connected to the node.

use std::{
    fs::File,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use ipnet::IpNet;

use crate::{
    error::Result,
    files,
    namespace::Namespace,
    netlink::{Link, Mac, Netlink, VethPair},
    rules::{self, Family, Load},
    shared::Shared,
    spec::PodSpec,
    sysctl,
};

#[cfg(test)]
mod tests;

/// MTU of a pod's cable, in bytes: Ethernet's usual one.
pub const MTU: u32 = 1500;

/// A pod's end of its cable.
pub(crate) const LINK: &str = "eth0";

/// The next hop of every pod. It answers nothing: its Ethernet address is a permanent entry in the pod.
const GATEWAY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];

/// The Ethernet address of the node's end of every cable. It need not be unique, since no two of them share a link.
const NODE_MAC: Mac = Mac([0xee; 6]);

impl PodSpec {
    fn rules(&self) -> impl Iterator<Item = (Family, &str)> {
        [(Family::V4, &self.iptables), (Family::V6, &self.ip6tables)]
            .into_iter()
            .filter_map(|(family, rules)| Some((family, rules.as_deref()?)))
    }

    /// An Ethernet address derived from the pod's address, so that captures of different runs are comparable.
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

/// A pod of a lab: a handle that can be cloned and sent to other threads.
///
/// It does not keep the lab up. Once the lab is gone its methods fail.
#[derive(Debug, Clone)]
pub struct Pod {
    pub(crate) shared: Arc<Shared>,
    spec: Arc<PodSpec>,
    namespace: Namespace,
}

impl Pod {
    /// A handle of a pod that exists or is about to be created.
    pub(crate) fn new(shared: Arc<Shared>, spec: PodSpec) -> Self {
        let namespace = shared.namespace(&spec.name);
        Self { shared, spec: Arc::new(spec), namespace }
    }

    /// What it was created from.
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// The pod's name in the lab, such as `client.default`.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name of its network namespace, as `ip netns exec` takes it.
    pub fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// The pod's folder inside the lab's, for configuration and the like; removed with the lab. Mode 0755, owned by root.
    pub fn dir(&self) -> PathBuf {
        self.shared.dir.join("pods").join(&self.spec.name)
    }

    /// The folder for its programs' logs. It belongs to root; the files in it belong to the programs' users.
    pub fn log_dir(&self) -> PathBuf {
        self.shared.dir.join("logs").join(&self.spec.name)
    }

    /// Runs `work` on a new thread inside the pod's network namespace, and waits for it. Sockets that it opens belong to the pod.
    ///
    /// The thread sees the host's files, not the pod's `/etc/hosts`.
    ///
    /// # Errors
    ///
    /// If the pod has been removed, or this process may not enter it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespace.run(work)
    }

    /// Moves the calling thread into the pod's network namespace for good. A process whose main thread is in it ends with the lab.
    ///
    /// # Errors
    ///
    /// If the pod has been removed, or this process may not enter it.
    pub fn join(&self) -> Result<()> {
        self.namespace.join()
    }

    pub(crate) fn open_namespace(&self) -> Result<File> {
        self.namespace.open()
    }

    /// The files that are mounted over the host's for the pod's programs.
    pub(crate) fn etc_files(&self) -> [(PathBuf, &'static Path); 2] {
        [
            (self.dir().join("hosts"), Path::new("/etc/hosts")),
            (self.dir().join("resolv.conf"), Path::new("/etc/resolv.conf")),
        ]
    }

    /// Creates the pod and its cable to the node, whose end is named `node_link`.
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
                here: LINK,
                here_mac: self.spec.mac(),
                there: node_link,
                there_mac: NODE_MAC,
                there_namespace: node_file.as_fd(),
                mtu: MTU,
            })?;
            let eth0 = Link::find(LINK)?;
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
                netlink.add_route(eth0, default_destination(address), Some(gateway))?;
            }
            let own = self.spec.sysctls.iter();
            sysctl::set_all(own.map(|(name, value)| (name.as_str(), value.as_str())))?;
            rules::load(self.namespace(), self.spec.rules(), Load::Add)?;
            // From here on this thread is in the node. The pod's netlink socket still belongs to the pod.
            node.join()?;
            self.route_from_node(&Netlink::open(node.name())?, node_link)?;
            netlink.wait_until_up(eth0)
        })
    }

    /// Sets up the node's end of the cable, with routes to the pod. Must be called inside the node.
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

/// The destination of a default route for the IP version of `address`.
pub(crate) fn default_destination(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(_) => IpNet::V4(ipnet::Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::V6(ipnet::Ipv6Net::default()),
    }
}
