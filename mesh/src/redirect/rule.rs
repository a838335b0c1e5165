//! A rule, and its text for `iptables-restore`.

use std::fmt;

use ipnet::IpNet;

/// A chain of table `nat`: one of the kernel's, or one of Istio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Packets that arrive at the pod.
    Prerouting,
    /// Packets that leave a socket of the pod.
    Output,
    /// Istio's chain for connections to the pod.
    IstioInbound,
    /// Istio's chain that redirects to the outbound port.
    IstioRedirect,
    /// Istio's chain that redirects to the inbound port.
    IstioInRedirect,
    /// Istio's chain for connections from the pod.
    IstioOutput,
}

impl Chain {
    /// Istio's chains, in order of creation.
    pub(super) const OWN: [Self; 4] =
        [Self::IstioInbound, Self::IstioRedirect, Self::IstioInRedirect, Self::IstioOutput];
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::IstioInbound => "ISTIO_INBOUND",
            Self::IstioRedirect => "ISTIO_REDIRECT",
            Self::IstioInRedirect => "ISTIO_IN_REDIRECT",
            Self::IstioOutput => "ISTIO_OUTPUT",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it is inserted before the rules of its chain so far, instead of appended.
    pub first: bool,
    pub chain: Chain,
    /// The conditions, which must all hold.
    pub matches: Vec<Match>,
    /// The target of a matching packet.
    pub target: Target,
    /// The reason, if it decides something.
    pub why: Option<Why>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Returns to the calling chain, or accepts in a built-in one.
    Return,
    /// Redirects to a port of the pod.
    Redirect(u16),
    /// Jumps to another chain.
    Jump(Chain),
}

/// The reason for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    pub words: &'static str,
    /// The annotation that made the rule, if one did.
    pub annotation: Option<&'static str>,
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub test: Test,
    /// Whether the test is inverted.
    pub negated: bool,
}

/// A property that a condition tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The incoming interface.
    In(String),
    /// The outgoing interface.
    Out(String),
    /// Its source.
    From(IpNet),
    To(IpNet),
    Tcp,
    Udp,
    /// The destination's port.
    Port(u16),
    /// The user that owns the socket.
    User(u32),
    /// The group that owns it, by number or name.
    Group(String),
    /// The mark of the socket.
    Mark(u32),
}

impl Test {
    /// The condition that the test is met.
    pub(super) fn holds(self) -> Match {
        Match { test: self, negated: false }
    }

    /// The condition that the test is not met.
    pub(super) fn fails(self) -> Match {
        Match { test: self, negated: true }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, chain, matches, target, .. } = self;
        let command = if *first { format!("-I {chain} 1") } else { format!("-A {chain}") };
        write!(f, "{command} ")?;
        for condition in matches {
            write!(f, "{condition} ")?;
        }
        match target {
            Target::Return => f.write_str("-j RETURN"),
            Target::Redirect(port) => write!(f, "-j REDIRECT --to-ports {port}"),
            Target::Jump(chain) => write!(f, "-j {chain}"),
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "! " } else { "" };
        match &self.test {
            Test::In(name) => write!(f, "{not}-i {name}"),
            Test::Out(name) => write!(f, "{not}-o {name}"),
            Test::From(network) => write!(f, "{not}-s {network}"),
            Test::To(network) => write!(f, "{not}-d {network}"),
            Test::Tcp => write!(f, "{not}-p tcp"),
            Test::Udp => write!(f, "{not}-p udp"),
            Test::Port(port) => write!(f, "{not}--dport {port}"),
            Test::User(uid) => write!(f, "-m owner {not}--uid-owner {uid}"),
            Test::Group(group) => write!(f, "-m owner {not}--gid-owner {group}"),
            Test::Mark(mark) => write!(f, "-m mark {not}--mark {mark:#x}"),
        }
    }
}
