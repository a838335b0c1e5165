//! Evaluates the rules of a pod for a connection, as the kernel does.

use std::net::{IpAddr, SocketAddr};

use super::{Chain, Match, Rule, Rules, Target, Test, Why};

/// The first packet of a TCP connection, as rules match it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The interface on which it arrives or leaves.
    pub interface: &'a str,
    /// Its source address, if known.
    pub source: Option<IpAddr>,
    pub destination: SocketAddr,
    /// The user that owns its socket; ignored for connections to the pod.
    pub uid: u32,
    /// The group that owns it.
    pub gid: u32,
    /// The mark of its socket.
    pub mark: u32,
}

/// The result of the rules for a connection, and the decisive rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The port that it is redirected to; `None` if it is not redirected.
    pub redirected_to: Option<u16>,
    pub why: Why,
}

impl Rules {
    /// Evaluates a connection from inside the pod.
    pub fn outbound(&self, packet: &Packet<'_>) -> Verdict {
        self.evaluate(Chain::Output, packet, self.outbound_else)
    }

    /// Evaluates a connection to the pod.
    pub fn inbound(&self, packet: &Packet<'_>) -> Verdict {
        self.evaluate(Chain::Prerouting, packet, self.inbound_else)
    }

    fn evaluate(&self, chain: Chain, packet: &Packet<'_>, otherwise: Why) -> Verdict {
        let mut why = None;
        let redirected_to = self.walk(chain, packet, &mut why);
        Verdict { redirected_to, why: why.unwrap_or(otherwise) }
    }

    /// Evaluates a chain; `why` becomes that of the last rule that matched and has one.
    fn walk(&self, chain: Chain, packet: &Packet<'_>, why: &mut Option<Why>) -> Option<u16> {
        let of_chain = |first: bool| self.rules.iter().filter(move |rule| rule.chain == chain && rule.first == first);
        // Each inserted rule comes before those inserted earlier.
        for rule in of_chain(true).rev().chain(of_chain(false)).filter(|rule| rule.matches(packet)) {
            *why = rule.why.or(*why);
            match rule.target {
                Target::Return => return None,
                Target::Redirect(port) => return Some(port),
                Target::Jump(to) => {
                    let redirected_to = self.walk(to, packet, why);
                    if redirected_to.is_some() {
                        return redirected_to;
                    }
                }
            }
        }
        None
    }
}

impl Rule {
    fn matches(&self, packet: &Packet<'_>) -> bool {
        self.matches.iter().all(|condition| condition.holds(packet))
    }
}

impl Match {
    fn holds(&self, packet: &Packet<'_>) -> bool {
        let holds = match &self.test {
            Test::In(name) | Test::Out(name) => name == packet.interface,
            Test::From(network) => packet.source.is_some_and(|source| network.contains(&source)),
            Test::To(network) => network.contains(&packet.destination.ip()),
            Test::Tcp => true,
            Test::Udp => false,
            Test::Port(port) => *port == packet.destination.port(),
            Test::User(uid) => *uid == packet.uid,
            // The manifests do not map group names to numbers: assumed to be another group.
            Test::Group(group) => group.parse() == Ok(packet.gid),
            Test::Mark(mark) => *mark == packet.mark,
        };
        holds != self.negated
    }
}
