//! The redirect rules of a pod: the text that `iptables-restore` and `ip6tables-restore` load.
//!
//! Rules and order are Istio's in REDIRECT mode (`tools/istio-iptables/pkg/capture/run.go`), and its goldens are claims
//! in the tests. They are for a fresh pod, and to be loaded with `--noflush`.

use std::fmt::Write;

use ipnet::IpNet;

use crate::model::{Capture, Family, InterceptionMode, OwnerGroups, PortSet};

#[cfg(test)]
mod tests;

/// Where iptables sends the app's connections.
pub const OUTBOUND_PORT: u16 = 15001;
/// Where iptables sends connections to the pod.
pub const INBOUND_PORT: u16 = 15006;
/// Istio's tunnel port: never captured.
const TUNNEL_PORT: u16 = 15008;

/// Drops packets that belong to no connection, which would otherwise reset one (`INVALID_DROP`).
const DROP_INVALID: &str = "* mangle
-N ISTIO_DROP
-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP
-A ISTIO_DROP -j DROP
COMMIT
";

/// How a sidecar's own packets are told from the app's, so that they are not sent back to the sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyIdentity {
    /// By the user and group that own the socket, as Istio does it.
    Owner {
        /// The user, 1337 in Istio.
        uid: u32,
        /// The group, 1337 in Istio.
        gid: u32,
    },
    /// By a mark (`SO_MARK`) on the sidecar's upstream sockets: for a user namespace, in which no uid but the caller's
    /// is mapped, and `--uid-owner 1337` is refused (`EINVAL`).
    Mark(u32),
}

impl ProxyIdentity {
    /// What Istio uses: user and group 1337.
    pub const ISTIO: Self = Self::Owner { uid: 1337, gid: 1337 };

    /// The matches for "is the sidecar's" and "is not", one pair for each trait that tells.
    fn matches(self) -> Vec<[String; 2]> {
        let pair = |module: &str, option: &str, value: String| {
            [format!("-m {module} --{option} {value}"), format!("-m {module} ! --{option} {value}")]
        };
        match self {
            Self::Owner { uid, gid } => {
                vec![pair("owner", "uid-owner", uid.to_string()), pair("owner", "gid-owner", gid.to_string())]
            }
            Self::Mark(mark) => vec![pair("mark", "mark", format!("{mark:#x}"))],
        }
    }
}

/// Istio's rules for a pod, in Istio's order; empty when it is not captured at all (`interceptionMode: NONE`).
pub fn redirect_rules(capture: &Capture, identity: &ProxyIdentity, family: Family) -> String {
    if capture.mode == InterceptionMode::None {
        return String::new();
    }
    let mut rules = Rules(if capture.drop_invalid { DROP_INVALID.to_owned() } else { String::new() });
    rules.line(format_args!("* nat"));
    for chain in ["ISTIO_INBOUND", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT", "ISTIO_OUTPUT"] {
        rules.line(format_args!("-N {chain}"));
    }
    for interface in &capture.exclude_interfaces {
        rules.add("PREROUTING", format_args!("-i {interface} -j RETURN"));
        rules.add("OUTPUT", format_args!("-o {interface} -j RETURN"));
    }
    for interface in &capture.reroute_interfaces {
        rules.insert("PREROUTING", format_args!("-i {interface} -j RETURN"));
    }
    rules.add("ISTIO_INBOUND", format_args!("-p tcp --dport {TUNNEL_PORT} -j RETURN"));
    rules.add("ISTIO_REDIRECT", format_args!("-p tcp -j REDIRECT --to-ports {OUTBOUND_PORT}"));
    rules.add("ISTIO_IN_REDIRECT", format_args!("-p tcp -j REDIRECT --to-ports {INBOUND_PORT}"));
    inbound(&mut rules, capture);
    outbound(&mut rules, capture, *identity, family);
    rules.0 + "COMMIT\n"
}

/// What of the connections to the pod goes to the sidecar.
fn inbound(rules: &mut Rules, capture: &Capture) {
    match &capture.include_inbound_ports {
        PortSet::List(ports) if ports.is_empty() => {}
        PortSet::List(ports) => {
            rules.add("PREROUTING", format_args!("-p tcp -j ISTIO_INBOUND"));
            for port in ports {
                rules.add("ISTIO_INBOUND", format_args!("-p tcp --dport {port} -j ISTIO_IN_REDIRECT"));
            }
        }
        // Exclusions count only here: a list of included ports has none left to exclude.
        PortSet::All => {
            rules.add("PREROUTING", format_args!("-p tcp -j ISTIO_INBOUND"));
            for port in &capture.exclude_inbound_ports {
                rules.add("ISTIO_INBOUND", format_args!("-p tcp --dport {port} -j RETURN"));
            }
            rules.add("ISTIO_INBOUND", format_args!("-p tcp -j ISTIO_IN_REDIRECT"));
        }
    }
}

/// What of the pod's own connections goes to the sidecar.
fn outbound(rules: &mut Rules, capture: &Capture, identity: ProxyIdentity, family: Family) {
    const CHAIN: &str = "ISTIO_OUTPUT";
    // The last leg comes from the first of these, and must not be captured again.
    let (passthrough_source, loopback) = match family {
        Family::Ipv4 => ("127.0.0.6/32", capture.ipv4_loopback.to_string()),
        Family::Ipv6 => ("::6/128", "::1/128".to_owned()),
    };
    let of_family = |range: &&IpNet| Family::of(range.addr()) == family;

    rules.add("OUTPUT", format_args!("-j {CHAIN}"));
    for port in &capture.exclude_outbound_ports {
        rules.add(CHAIN, format_args!("-p tcp --dport {port} -j RETURN"));
        rules.add(CHAIN, format_args!("-p udp --dport {port} -j RETURN"));
    }
    rules.add(CHAIN, format_args!("-o lo -s {passthrough_source} -j RETURN"));
    for [is_sidecar, is_not_sidecar] in identity.matches() {
        // The sidecar to its own pod: the app called itself by its service, and inbound policy holds there too.
        rules.add(
            CHAIN,
            format_args!("-o lo ! -d {loopback} -p tcp ! --dport {TUNNEL_PORT} {is_sidecar} -j ISTIO_IN_REDIRECT"),
        );
        if !includes_loopback(capture) {
            rules.add(CHAIN, format_args!("-o lo {is_not_sidecar} -j RETURN"));
        }
        rules.add(CHAIN, format_args!("{is_sidecar} -j RETURN"));
    }
    owner_groups(rules, &capture.owner_groups);
    rules.add(CHAIN, format_args!("-d {loopback} -j RETURN"));
    for range in capture.exclude_outbound_ip_ranges.iter().filter(of_family) {
        rules.add(CHAIN, format_args!("-d {range} -j RETURN"));
    }
    for port in &capture.include_outbound_ports {
        rules.add(CHAIN, format_args!("-p tcp --dport {port} -j ISTIO_REDIRECT"));
    }
    match &capture.include_outbound_ip_ranges {
        None => {
            rules.add(CHAIN, format_args!("-j ISTIO_REDIRECT"));
            for interface in &capture.reroute_interfaces {
                rules.insert("PREROUTING", format_args!("-i {interface} -j ISTIO_REDIRECT"));
            }
        }
        Some(ranges) => {
            for range in ranges.iter().filter(of_family) {
                for interface in &capture.reroute_interfaces {
                    rules.insert("PREROUTING", format_args!("-i {interface} -d {range} -j ISTIO_REDIRECT"));
                }
                rules.add(CHAIN, format_args!("-d {range} -j ISTIO_REDIRECT"));
            }
        }
    }
}

/// Lets connections of groups pass that are not to be captured.
fn owner_groups(rules: &mut Rules, groups: &OwnerGroups) {
    match groups {
        OwnerGroups::AllBut(groups) => {
            for group in groups {
                rules.add("ISTIO_OUTPUT", format_args!("-m owner --gid-owner {group} -j RETURN"));
            }
        }
        OwnerGroups::Only(groups) => {
            let none_of: String = groups.iter().map(|group| format!("-m owner ! --gid-owner {group} ")).collect();
            rules.add("ISTIO_OUTPUT", format_args!("{none_of}-j RETURN"));
        }
    }
}

/// Whether the app's connections to loopback are asked for, in either family.
fn includes_loopback(capture: &Capture) -> bool {
    capture.include_outbound_ip_ranges.iter().flatten().any(|range| range.addr().is_loopback())
}

/// The text, growing.
struct Rules(String);

impl Rules {
    fn add(&mut self, chain: &str, rule: std::fmt::Arguments<'_>) {
        self.line(format_args!("-A {chain} {rule}"));
    }

    /// Before all rules of the chain so far.
    fn insert(&mut self, chain: &str, rule: std::fmt::Arguments<'_>) {
        self.line(format_args!("-I {chain} 1 {rule}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a string can't fail");
    }
}
