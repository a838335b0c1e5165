//! Generates the rules of a pod from its capture settings.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::IpNet;

use crate::{
    model::{Capture, Family, InterceptionMode, OwnerGroups, PROXY_CONFIG, PortSet},
    sidecar::{INBOUND_PORT, OUTBOUND_PORT, PASSTHROUGH_IPV4, PASSTHROUGH_IPV6, TUNNEL_PORT},
};

use super::{Chain, Match, ProxyIdentity, Rule, Target, Test, Why};

/// Drops packets that belong to no connection, which would otherwise reset one (`INVALID_DROP`).
const DROP_INVALID: &str = "* mangle
-N ISTIO_DROP
-A PREROUTING -m conntrack --ctstate INVALID -j ISTIO_DROP
-A ISTIO_DROP -j DROP
COMMIT
";

/// The rules of a pod in one family, in Istio's order. Their `Display` is the text that `iptables-restore` loads; it is empty
/// for a pod that is not captured at all (`interceptionMode: NONE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    drop_invalid: bool,
    /// The reason why a connection to the pod passes if no rule matches.
    pub(super) inbound_else: Why,
    /// The same for connections from the pod.
    pub(super) outbound_else: Why,
}

impl Rules {
    /// The rules for these capture settings, exempting the sidecar's own packets.
    pub fn new(capture: &Capture, identity: ProxyIdentity, family: Family) -> Self {
        if capture.mode == InterceptionMode::None {
            let no_rules = why("interceptionMode NONE: no rules");
            return Self { rules: vec![], drop_invalid: false, inbound_else: no_rules, outbound_else: no_rules };
        }
        let mut rules = Self {
            rules: vec![],
            drop_invalid: capture.drop_invalid,
            inbound_else: by("the port is not included", "traffic.sidecar.istio.io/includeInboundPorts"),
            outbound_else: by("the address is not included", "traffic.sidecar.istio.io/includeOutboundIPRanges"),
        };
        let excluded = Some(by("the interface is excluded", "traffic.sidecar.istio.io/excludeInterfaces"));
        for interface in &capture.exclude_interfaces {
            rules.add(Chain::Prerouting, [Test::In(interface.clone()).holds()], Target::Return, excluded);
            rules.add(Chain::Output, [Test::Out(interface.clone()).holds()], Target::Return, excluded);
        }
        for interface in &capture.reroute_interfaces {
            let rerouted = Some(why("from a virtual machine of the pod"));
            rules.insert([Test::In(interface.clone()).holds()], Target::Return, rerouted);
        }
        let tunnel = Some(why("the tunnel's port is never captured"));
        rules.add(Chain::IstioInbound, tcp_to(TUNNEL_PORT), Target::Return, tunnel);
        rules.add(Chain::IstioRedirect, [Test::Tcp.holds()], Target::Redirect(OUTBOUND_PORT), None);
        rules.add(Chain::IstioInRedirect, [Test::Tcp.holds()], Target::Redirect(INBOUND_PORT), None);
        rules.capture_inbound(capture);
        rules.capture_outbound(capture, identity, family);
        rules
    }

    /// Which connections to the pod go to the sidecar.
    fn capture_inbound(&mut self, capture: &Capture) {
        const CAPTURE: Target = Target::Jump(Chain::IstioInRedirect);
        if capture.include_inbound_ports == PortSet::List(vec![]) {
            return;
        }
        self.add(Chain::Prerouting, [Test::Tcp.holds()], Target::Jump(Chain::IstioInbound), None);
        match &capture.include_inbound_ports {
            PortSet::List(ports) => {
                let included = Some(by("the port is included", "traffic.sidecar.istio.io/includeInboundPorts"));
                for &port in ports {
                    self.add(Chain::IstioInbound, tcp_to(port), CAPTURE, included);
                }
            }
            // Exclusions only apply here: they do not apply to a list of included ports.
            PortSet::All => {
                let excluded = Some(by("the port is excluded", "traffic.sidecar.istio.io/excludeInboundPorts"));
                for &port in &capture.exclude_inbound_ports {
                    self.add(Chain::IstioInbound, tcp_to(port), Target::Return, excluded);
                }
                let all = Some(why("everything that comes to the pod is captured"));
                self.add(Chain::IstioInbound, [Test::Tcp.holds()], CAPTURE, all);
            }
        }
    }

    /// Which connections from the pod go to the sidecar.
    fn capture_outbound(&mut self, capture: &Capture, identity: ProxyIdentity, family: Family) {
        const CAPTURE: Target = Target::Jump(Chain::IstioRedirect);
        let (passthrough, loopback) = match family {
            Family::Ipv4 => (IpAddr::from(PASSTHROUGH_IPV4), IpNet::V4(capture.ipv4_loopback)),
            Family::Ipv6 => (PASSTHROUGH_IPV6.into(), IpAddr::from(Ipv6Addr::LOCALHOST).into()),
        };
        self.add(Chain::Output, ALWAYS, Target::Jump(Chain::IstioOutput), None);
        let excluded = Some(by("the port is excluded", "traffic.sidecar.istio.io/excludeOutboundPorts"));
        for &port in &capture.exclude_outbound_ports {
            for protocol in [Test::Tcp, Test::Udp] {
                self.output([protocol.holds(), Test::Port(port).holds()], Target::Return, excluded);
            }
        }
        // The last leg comes from there, and must not be captured again.
        let last_leg = [out_lo(), Test::From(passthrough.into()).holds()];
        self.output(last_leg, Target::Return, Some(why("from the sidecar to its app")));
        for sidecar in identity.tests() {
            self.of_sidecar(&sidecar, loopback, capture);
        }
        self.owner_groups(&capture.owner_groups);
        self.output([Test::To(loopback).holds()], Target::Return, Some(why("to loopback")));
        self.by_destination(capture, family, CAPTURE);
    }

    /// Which connections from the pod pass because they are, or are not, the sidecar's.
    fn of_sidecar(&mut self, sidecar: &Test, loopback: IpNet, capture: &Capture) {
        // The sidecar to its own pod: the app called itself by its service, and inbound policy holds there too.
        let to_itself = [
            out_lo(),
            Test::To(loopback).fails(),
            Test::Tcp.holds(),
            Test::Port(TUNNEL_PORT).fails(),
            sidecar.clone().holds(),
        ];
        let calls_itself = Some(why("the sidecar calls its own pod"));
        self.output(to_itself, Target::Jump(Chain::IstioInRedirect), calls_itself);
        if !includes_loopback(capture) {
            let app = Some(why("the app calls its own pod"));
            self.output([out_lo(), sidecar.clone().fails()], Target::Return, app);
        }
        self.output([sidecar.clone().holds()], Target::Return, Some(why("the sidecar's own connection")));
    }

    /// Exempts the connections of groups that are not captured.
    fn owner_groups(&mut self, groups: &OwnerGroups) {
        let passes = Some(by("the app's group is not captured", PROXY_CONFIG));
        match groups {
            OwnerGroups::AllBut(groups) => {
                for group in groups {
                    self.output([Test::Group(group.clone()).holds()], Target::Return, passes);
                }
            }
            OwnerGroups::Only(groups) => {
                let none: Vec<_> = groups.iter().map(|group| Test::Group(group.clone()).fails()).collect();
                self.output(none, Target::Return, passes);
            }
        }
    }

    /// Which connections are captured by destination.
    fn by_destination(&mut self, capture: &Capture, family: Family, target: Target) {
        let of_family = |range: &&IpNet| Family::of(range.addr()) == family;
        let excluded = Some(by("the address is excluded", "traffic.sidecar.istio.io/excludeOutboundIPRanges"));
        for &range in capture.exclude_outbound_ip_ranges.iter().filter(of_family) {
            self.output([Test::To(range).holds()], Target::Return, excluded);
        }
        let included = Some(by("the port is included", "traffic.sidecar.istio.io/includeOutboundPorts"));
        for &port in &capture.include_outbound_ports {
            self.output(tcp_to(port), target, included);
        }
        let rerouted = Some(why("what a virtual machine of the pod sends is captured"));
        match &capture.include_outbound_ip_ranges {
            None => {
                self.output(ALWAYS, target, Some(why("everything that leaves the pod is captured")));
                for interface in &capture.reroute_interfaces {
                    self.insert([Test::In(interface.clone()).holds()], target, rerouted);
                }
            }
            Some(ranges) => {
                let included = Some(by("the address is included", "traffic.sidecar.istio.io/includeOutboundIPRanges"));
                for &range in ranges.iter().filter(of_family) {
                    for interface in &capture.reroute_interfaces {
                        let from_there = [Test::In(interface.clone()).holds(), Test::To(range).holds()];
                        self.insert(from_there, target, rerouted);
                    }
                    self.output([Test::To(range).holds()], target, included);
                }
            }
        }
    }

    fn output(&mut self, matches: impl Into<Vec<Match>>, target: Target, why: Option<Why>) {
        self.add(Chain::IstioOutput, matches, target, why);
    }

    fn add(&mut self, chain: Chain, matches: impl Into<Vec<Match>>, target: Target, why: Option<Why>) {
        self.rules.push(Rule { first: false, chain, matches: matches.into(), target, why });
    }

    /// Inserts a rule before all rules so far for packets that arrive at the pod.
    fn insert(&mut self, matches: impl Into<Vec<Match>>, target: Target, why: Option<Why>) {
        self.rules.push(Rule { first: true, chain: Chain::Prerouting, matches: matches.into(), target, why });
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return Ok(());
        }
        if self.drop_invalid {
            f.write_str(DROP_INVALID)?;
        }
        writeln!(f, "* nat")?;
        for chain in Chain::OWN {
            writeln!(f, "-N {chain}")?;
        }
        for rule in &self.rules {
            writeln!(f, "{rule}")?;
        }
        writeln!(f, "COMMIT")
    }
}

/// Whether connections of the app to loopback are to be captured, in either family.
fn includes_loopback(capture: &Capture) -> bool {
    capture.include_outbound_ip_ranges.iter().flatten().any(|range| range.addr().is_loopback())
}

const ALWAYS: [Match; 0] = [];

fn out_lo() -> Match {
    Test::Out("lo".into()).holds()
}

fn tcp_to(port: u16) -> [Match; 2] {
    [Test::Tcp.holds(), Test::Port(port).holds()]
}

const fn why(words: &'static str) -> Why {
    Why { words, annotation: None }
}

/// A reason with its annotation.
const fn by(words: &'static str, annotation: &'static str) -> Why {
    Why { words, annotation: Some(annotation) }
}
