//! One rule, and how `iptables-restore` reads it.

use std::fmt;

use ipnet::IpNet;

/// A chain of table `nat`: one of the kernel's, or one of Istio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// What comes to the pod.
    Prerouting,
    /// What leaves a socket of the pod.
    Output,
    /// What of it is the sidecar's: connections to the pod.
    IstioInbound,
    /// To the outbound port.
    IstioRedirect,
    /// To the inbound port.
    IstioInRedirect,
    /// What of it is the sidecar's: connections from the pod.
    IstioOutput,
}

impl Chain {
    /// Istio's own, in the order in which they are made.
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

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it stands before all rules that its chain has so far, and not behind them.
    pub first: bool,
    /// Its chain.
    pub chain: Chain,
    /// All must hold.
    pub matches: Vec<Match>,
    /// What becomes of a packet then.
    pub target: Target,
    /// Why, where it decides something.
    pub why: Option<Why>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It goes back to the chain that it came from, and passes where that was none.
    Return,
    /// It is redirected to that port of the pod.
    Redirect(u16),
    /// It goes to another chain.
    Jump(Chain),
}

/// Why a rule is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// In words.
    pub words: &'static str,
    /// The annotation that made the rule, if one did.
    pub annotation: Option<&'static str>,
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What is looked at.
    pub test: Test,
    /// Whether it must not hold.
    pub negated: bool,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The interface that the packet comes in by.
    In(String),
    /// The interface that it leaves by.
    Out(String),
    /// Its source.
    From(IpNet),
    /// Its destination.
    To(IpNet),
    /// TCP.
    Tcp,
    /// UDP.
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
    /// As a condition.
    pub(super) fn holds(self) -> Match {
        Match { test: self, negated: false }
    }

    /// Its opposite, as a condition.
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
