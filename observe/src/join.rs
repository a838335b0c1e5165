//! Which segments belong to which connection.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::flow::{Flow, Opening, Redirect};
use crate::packet::Segment;
use crate::tcp::Half;
use crate::{Interface, KeyLog, layers};

/// Connections, while their segments are collected.
#[derive(Default)]
pub(crate) struct Connections<'a> {
    all: Vec<Connection<'a>>,
    /// Connections at an interface by the initiator's address, oldest first: the one address that a REDIRECT leaves alone in
    /// both directions, as a rule.
    by_initiator: HashMap<(usize, SocketAddr), Vec<usize>>,
    /// The newest connection at an interface by the initiator's host and the acknowledgement that its SYN expects: for the
    /// exception, where conntrack had to change the initiator's port, because another redirected connection has it.
    by_syn: HashMap<(usize, IpAddr, u32), usize>,
}

/// A connection, while its segments are collected.
struct Connection<'a> {
    interface: usize,
    initiator: SocketAddr,
    /// Where the initiator's segments go to, once one was seen.
    to: Option<SocketAddr>,
    /// Where the responder's segments come from, once one was seen. A redirected connection's differs from `to`.
    from: Option<SocketAddr>,
    /// The initiator's address in what the responder sends: its own, where conntrack changed the port on the way.
    answered_at: SocketAddr,
    sent: Half<'a>,
    received: Half<'a>,
}

/// Which way a segment goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Sent,
    Received,
}

impl<'a> Connections<'a> {
    /// Adds a segment to the connection that it belongs to. Segments are to come in the order of their capture.
    pub(crate) fn push(&mut self, segment: &Segment<'a>) {
        let (id, way) = self.find(segment).or_else(|| self.find_by_syn(segment)).unwrap_or_else(|| self.begin(segment));
        let connection = &mut self.all[id];
        match way {
            Way::Sent => {
                connection.to = Some(segment.destination);
                connection.sent.push(segment);
            }
            Way::Received => {
                connection.from = Some(segment.source);
                connection.received.push(segment);
            }
        }
    }

    /// The newest connection that the segment fits; one whose two directions look alike before one that was redirected.
    fn find(&self, segment: &Segment<'_>) -> Option<(usize, Way)> {
        let ids = |address| self.by_initiator.get(&(segment.interface, address)).into_iter().flatten();
        let sent = ids(segment.source).map(|&id| (id, Way::Sent));
        let received = ids(segment.destination).map(|&id| (id, Way::Received));
        sent.chain(received)
            .filter_map(|(id, way)| self.all[id].fit(segment, way).map(|alike| (alike, id, way)))
            .max_by_key(|&(alike, id, _)| (alike, id))
            .map(|(_, id, way)| (id, way))
    }

    /// The connection that the segment, an answer to a SYN, opens or refuses, by the acknowledgement alone.
    fn find_by_syn(&mut self, segment: &Segment<'_>) -> Option<(usize, Way)> {
        let ack = segment.ack.filter(|_| segment.syn || segment.rst)?;
        let id = *self.by_syn.get(&(segment.interface, segment.destination.ip(), ack))?;
        let connection = &mut self.all[id];
        if connection.from.is_some() {
            return None;
        }
        connection.answered_at = segment.destination;
        self.by_initiator.entry((segment.interface, segment.destination)).or_default().push(id);
        Some((id, Way::Received))
    }

    /// Begins a connection with the first segment that was seen of it.
    fn begin(&mut self, segment: &Segment<'_>) -> (usize, Way) {
        let way = match (segment.syn, segment.ack) {
            (true, None) => Way::Sent,
            // The beginning was not captured. Ephemeral ports are the high ones.
            (false, _) if segment.source.port() >= segment.destination.port() => Way::Sent,
            (true, Some(_)) | (false, _) => Way::Received,
        };
        let initiator = match way {
            Way::Sent => segment.source,
            Way::Received => segment.destination,
        };
        let id = self.all.len();
        self.all.push(Connection {
            interface: segment.interface,
            initiator,
            to: None,
            from: None,
            answered_at: initiator,
            sent: Half::default(),
            received: Half::default(),
        });
        self.by_initiator.entry((segment.interface, initiator)).or_default().push(id);
        if segment.syn && way == Way::Sent {
            self.by_syn.insert((segment.interface, initiator.ip(), segment.seq.wrapping_add(1)), id);
        }
        (id, way)
    }

    /// What is known of each connection, in the order in which they began.
    pub(crate) fn into_flows(self, interfaces: &[Interface], keys: &KeyLog) -> Vec<Flow> {
        self.all.into_iter().filter_map(|connection| connection.into_flow(interfaces, keys)).collect()
    }
}

impl Connection<'_> {
    /// Whether the segment may be of this connection, going `way`; if so, whether the directions look alike.
    fn fit(&self, segment: &Segment<'_>, way: Way) -> Option<bool> {
        let (half, other, far, seen, other_seen) = match way {
            Way::Sent => (&self.sent, &self.received, segment.destination, self.to, self.from),
            Way::Received => (&self.received, &self.sent, segment.source, self.from, self.to),
        };
        let near_fits = match way {
            Way::Sent => segment.source == self.initiator,
            Way::Received => segment.destination == self.answered_at,
        };
        let fits = match seen {
            Some(address) => address == far && half.takes(segment),
            // The first segment this way: it must answer what went the other way, and that must have answered it.
            None => {
                let answers = match segment.ack {
                    Some(ack) => other.is_answered_by(ack),
                    None => segment.syn || segment.rst,
                };
                answers && other.has_answered(segment)
            }
        };
        (near_fits && fits).then_some(other_seen == Some(far))
    }

    fn into_flow(self, interfaces: &[Interface], keys: &KeyLog) -> Option<Flow> {
        let to = self.to.or(self.from)?;
        let from = self.from.or(self.to)?;
        let redirect = (to != from).then_some(Redirect { original_destination: from, redirected_to: to });
        let opening = self.opening();
        let (sent, client) = self.sent.assemble(&self.received);
        let (received, server) = self.received.assemble(&self.sent);
        let times = || [&self.sent, &self.received].into_iter();
        Some(Flow {
            interface: interfaces
                .get(self.interface)
                .cloned()
                .unwrap_or_else(|| Interface { host: String::new(), name: format!("interface {}", self.interface) }),
            initiator: self.answered_at,
            responder: to,
            redirect,
            first_ns: times().filter_map(Half::first_ns).min()?,
            last_ns: times().filter_map(Half::last_ns).max()?,
            opening,
            sent,
            received,
            content: layers::open(client, server, keys),
        })
    }

    fn opening(&self) -> Opening {
        let nothing_but_rst = self.received.is_reset() && self.received.is_bare();
        match (self.sent.isn, self.received.isn) {
            (None, None) => Opening::NotSeen,
            (Some(_), None) if self.received.is_empty() => Opening::Unanswered,
            (Some(_), None) if nothing_but_rst => Opening::Refused,
            // One of the two SYNs may be lost to the capture, when what came after was not.
            (Some(_), None) | (_, Some(_)) => Opening::Established,
        }
    }
}

#[cfg(test)]
mod tests;
