//! What labs and pods are created from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// The name of the node's namespace in its lab.
pub(crate) const NODE: &str = "node";

/// What a lab is created from.
#[derive(Debug, Clone, Default)]
pub struct LabSpec {
    /// A name for people, shown in the list of labs. It need not be unique.
    pub name: Option<String>,
    /// Addresses of its node.
    pub node: NodeSpec,
    /// Whether its programs outlive the creating process. Set it for a lab that will be [left up](crate::Lab::leave_up).
    /// Otherwise the kernel kills the programs when that process ends, for whatever reason.
    pub stays_up: bool,
}

/// The node's addresses, on its `lo`: the source of its ICMP errors and of masqueraded connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// IPv4 address, a `/32`.
    pub v4: Ipv4Addr,
    /// IPv6 address, a `/128`.
    pub v6: Ipv6Addr,
}

impl Default for NodeSpec {
    /// 10.244.0.1 and fd00:244::1, the first of the pods' usual ranges.
    fn default() -> Self {
        Self { v4: Ipv4Addr::new(10, 244, 0, 1), v6: Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, 1) }
    }
}

/// What a pod is created from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSpec {
    /// Unique in its lab, such as `client.default`: 1 to 200 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// IPv4 address on `eth0`.
    pub v4: Option<Ipv4Addr>,
    /// A pod needs at least one of `v4` and `v6`.
    pub v6: Option<Ipv6Addr>,
    /// Contents of its `/etc/hosts`.
    pub hosts: String,
    /// Contents of its `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Additional addresses of `lo`, such as `::6/128`.
    pub loopback: Vec<IpNet>,
    /// Kernel settings: dotted names, such as `net.ipv4.ip_unprivileged_port_start`, and values.
    pub sysctls: Vec<(String, String)>,
    /// IPv4 rules in the format of `iptables-restore`.
    pub iptables: Option<String>,
    /// IPv6 rules in the format of `ip6tables-restore`.
    pub ip6tables: Option<String>,
    /// Whether its programs have the host's file system and PID namespace, and this process's capabilities, instead of those of a
    /// container.
    #[serde(default)]
    pub unconfined: bool,
}

impl PodSpec {
    /// A pod with these addresses, whose `/etc/hosts` has entries for `localhost` and for the pod itself.
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

    /// Its addresses, the IPv4 one first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }

    /// # Errors
    ///
    /// [`Error::BadSpec`] if the name is invalid, or there is no address.
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
}
