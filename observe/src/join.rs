//! Which segments belong to which connection.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::flow::{Flow, InitiatorBy, Opening, Redirect};
use crate::keylog::KeyLog;
use crate::layers;
use crate::packet::{Interface, Segment};
use crate::tcp::Half;

/// Connections, while their segments are collected.
#[derive(Default)]
pub(crate) struct Connections<'a> {
    all: Vec<Connection<'a>>,
    /// Connections at an interface by the initiator's address, oldest first: the one address that a REDIRECT leaves alone in
    /// both directions, as a rule. One whose initiator is not known is there by both addresses.
    by_initiator: HashMap<(usize, SocketAddr), Vec<usize>>,
    /// The newest connection at an interface by the initiator's host and the acknowledgement that its SYN expects: for the
    /// exception, where conntrack had to change the initiator's port, because another redirected connection has it.
    by_syn: HashMap<(usize, IpAddr, u32), usize>,
}

/// A connection, while its segments are collected.
struct Connection<'a> {
    interface: usize,
    initiator: SocketAddr,
    initiator_by: InitiatorBy,
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
        let found = self.find(segment).or_else(|| self.find_by_syn(segment)).or_else(|| self.find_redirected(segment));
        let (id, way) = found.unwrap_or_else(|| self.begin(segment));
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

    /// The connection, not captured from its beginning, of which the segment is the first the other way, and shows a redirect: its
    /// sender is the one that was sent to so far, and sends to another address than the one that sent. So it is the initiator.
    fn find_redirected(&mut self, segment: &Segment<'_>) -> Option<(usize, Way)> {
        let ids = self.by_initiator.get(&(segment.interface, segment.source))?;
        let id = *ids.iter().rev().find(|id| self.all[**id].is_answered_elsewhere_by(segment))?;
        self.all[id].turn(InitiatorBy::Redirect);
        Some((id, Way::Sent))
    }

    /// Begins a connection with the first segment that was seen of it.
    fn begin(&mut self, segment: &Segment<'_>) -> (usize, Way) {
        let (way, initiator_by) = match (segment.syn, segment.ack) {
            (true, None) => (Way::Sent, InitiatorBy::Syn),
            (true, Some(_)) => (Way::Received, InitiatorBy::Syn),
            // The beginning was not captured.
            (false, _) => (Way::Sent, InitiatorBy::Unknown),
        };
        let initiator = match way {
            Way::Sent => segment.source,
            Way::Received => segment.destination,
        };
        let id = self.all.len();
        self.all.push(Connection {
            interface: segment.interface,
            initiator,
            initiator_by,
            to: None,
            from: None,
            answered_at: initiator,
            sent: Half::default(),
            received: Half::default(),
        });
        self.by_initiator.entry((segment.interface, initiator)).or_default().push(id);
        if initiator_by == InitiatorBy::Unknown {
            self.by_initiator.entry((segment.interface, segment.destination)).or_default().push(id);
        }
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

    /// Whether nobody has answered what was seen of a connection of unknown initiator, and the segment does, but to another address
    /// than sent it.
    fn is_answered_elsewhere_by(&self, segment: &Segment<'_>) -> bool {
        self.initiator_by == InitiatorBy::Unknown
            && self.received.is_empty()
            && self.to == Some(segment.source)
            && segment.destination != self.initiator
            && segment.ack.is_some_and(|ack| self.sent.is_answered_by(ack))
            && self.sent.has_answered(segment)
    }

    /// Takes the other side for the initiator.
    fn turn(&mut self, by: InitiatorBy) {
        let (initiator, responder) = (self.to.or(self.from).unwrap_or(self.initiator), self.initiator);
        std::mem::swap(&mut self.sent, &mut self.received);
        (self.to, self.from) = (self.from.map(|_| responder), self.to.map(|_| responder));
        (self.initiator, self.answered_at, self.initiator_by) = (initiator, initiator, by);
    }

    /// Finds out by what was sent who opened a connection whose beginning was not captured.
    fn turn_by_content(&mut self) {
        match self.initiator_by {
            InitiatorBy::Syn | InitiatorBy::Redirect | InitiatorBy::Content => return,
            // Two addresses on the other side, as a redirect has them.
            InitiatorBy::Unknown if self.to.is_some() && self.from.is_some() && self.to != self.from => {
                self.initiator_by = InitiatorBy::Redirect;
                return;
            }
            InitiatorBy::Unknown => {}
        }
        let begins = |half: &Half<'_>, other: &Half<'_>| layers::begins_as_client(&half.assemble(other).1);
        match (begins(&self.sent, &self.received), begins(&self.received, &self.sent)) {
            (true, false) => self.initiator_by = InitiatorBy::Content,
            (false, true) => self.turn(InitiatorBy::Content),
            (true, true) | (false, false) => {}
        }
    }

    fn into_flow(mut self, interfaces: &[Interface], keys: &KeyLog) -> Option<Flow> {
        self.turn_by_content();
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
            initiator_by: self.initiator_by,
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
