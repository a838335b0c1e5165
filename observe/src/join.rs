//! Assigning segments to connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::flow::{Flow, InitiatorBy, Opening, Redirect};
use crate::keylog::KeyLog;
use crate::layers;
use crate::packet::{Interface, Segment};
use crate::tcp::Half;

/// All connections, while their segments are collected.
#[derive(Default)]
pub(crate) struct Connections<'a> {
    all: Vec<Connection<'a>>,
    /// Connections by interface and initiator's address, oldest first. A REDIRECT usually leaves that address alone in both
    /// directions. A connection whose initiator is unknown is listed by both addresses.
    by_initiator: HashMap<(usize, SocketAddr), Vec<usize>>,
    /// The newest connection by interface, initiator's host, and the acknowledgement number that its SYN expects. Needed when
    /// conntrack had to change the initiator's port, because another redirected connection uses it.
    by_syn: HashMap<(usize, IpAddr, u32), usize>,
}

/// A connection, while its segments are collected.
struct Connection<'a> {
    interface: usize,
    initiator: SocketAddr,
    initiator_by: InitiatorBy,
    /// Destination of the initiator's segments, once one was captured.
    to: Option<SocketAddr>,
    /// Source of the responder's segments, once one was captured. It differs from `to` if the connection was redirected.
    from: Option<SocketAddr>,
    /// The initiator's address in the responder's segments: its true one, if conntrack changed the port on the way.
    answered_at: SocketAddr,
    sent: Half<'a>,
    received: Half<'a>,
}

/// The direction of a segment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Sent,
    Received,
}

impl<'a> Connections<'a> {
    /// Adds a segment to its connection. Segments must be added in the order of their timestamps.
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

    /// The newest connection that the segment fits; one whose two directions have the same addresses before a redirected one.
    fn find(&self, segment: &Segment<'_>) -> Option<(usize, Way)> {
        let ids = |address| self.by_initiator.get(&(segment.interface, address)).into_iter().flatten();
        let sent = ids(segment.source).map(|&id| (id, Way::Sent));
        let received = ids(segment.destination).map(|&id| (id, Way::Received));
        sent.chain(received)
            .filter_map(|(id, way)| self.all[id].fit(segment, way).map(|alike| (alike, id, way)))
            .max_by_key(|&(alike, id, _)| (alike, id))
            .map(|(_, id, way)| (id, way))
    }

    /// The connection whose SYN the segment answers, by acknowledgement number only.
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

    /// A connection whose start was not captured, and of which the segment is the first in the other direction and reveals a redirect:
    /// the segment's source has been the destination so far, but its destination is not the source so far. So its sender is the
    /// initiator.
    fn find_redirected(&mut self, segment: &Segment<'_>) -> Option<(usize, Way)> {
        let ids = self.by_initiator.get(&(segment.interface, segment.source))?;
        let id = *ids.iter().rev().find(|id| self.all[**id].is_answered_elsewhere_by(segment))?;
        self.all[id].swap_sides(InitiatorBy::Redirect);
        Some((id, Way::Sent))
    }

    /// Starts a connection with its first captured segment.
    fn begin(&mut self, segment: &Segment<'_>) -> (usize, Way) {
        let (way, initiator_by) = match (segment.syn, segment.ack) {
            (true, None) => (Way::Sent, InitiatorBy::Syn),
            (true, Some(_)) => (Way::Received, InitiatorBy::Syn),
            // The start of the connection was not captured.
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

    /// The finished flows, in the order of their first packets.
    pub(crate) fn into_flows(self, interfaces: &[Interface], keys: &KeyLog) -> Vec<Flow> {
        self.all.into_iter().filter_map(|connection| connection.into_flow(interfaces, keys)).collect()
    }
}

impl Connection<'_> {
    /// Whether the segment may belong to this connection, in direction `way`; if so, whether both directions have the same addresses.
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
            Some(address) => address == far && half.accepts(segment),
            // The first segment in this direction must answer the other direction, and vice versa.
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

    /// Whether a connection with unknown initiator has no answer so far, and the segment answers it, but to another address than the
    /// one that its segments came from.
    fn is_answered_elsewhere_by(&self, segment: &Segment<'_>) -> bool {
        self.initiator_by == InitiatorBy::Unknown
            && self.received.is_empty()
            && self.to == Some(segment.source)
            && segment.destination != self.initiator
            && segment.ack.is_some_and(|ack| self.sent.is_answered_by(ack))
            && self.sent.has_answered(segment)
    }

    /// Swaps initiator and responder.
    fn swap_sides(&mut self, by: InitiatorBy) {
        let (initiator, responder) = (self.to.or(self.from).unwrap_or(self.initiator), self.initiator);
        std::mem::swap(&mut self.sent, &mut self.received);
        (self.to, self.from) = (self.from.map(|_| responder), self.to.map(|_| responder));
        (self.initiator, self.answered_at, self.initiator_by) = (initiator, initiator, by);
    }

    /// Determines the initiator by what was sent, if the start of the connection was not captured.
    fn determine_initiator(&mut self) {
        match self.initiator_by {
            InitiatorBy::Syn | InitiatorBy::Redirect | InitiatorBy::Content => return,
            // The other side has two addresses, so it is the responder of a redirected connection.
            InitiatorBy::Unknown if self.to.is_some() && self.from.is_some() && self.to != self.from => {
                self.initiator_by = InitiatorBy::Redirect;
                return;
            }
            InitiatorBy::Unknown => {}
        }
        let starts = |half: &Half<'_>, other: &Half<'_>| layers::starts_as_client(&half.assemble(other).1);
        match (starts(&self.sent, &self.received), starts(&self.received, &self.sent)) {
            (true, false) => self.initiator_by = InitiatorBy::Content,
            (false, true) => self.swap_sides(InitiatorBy::Content),
            (true, true) | (false, false) => {}
        }
    }

    fn into_flow(mut self, interfaces: &[Interface], keys: &KeyLog) -> Option<Flow> {
        self.determine_initiator();
        let to = self.to.or(self.from)?;
        let from = self.from.or(self.to)?;
        let redirect = (to != from).then_some(Redirect { original_destination: from, redirected_to: to });
        let (opening, initial_sequence) = (self.opening(), self.sent.isn);
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
            initial_sequence,
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
            // The capture may have lost one of the two SYNs but not the rest.
            (Some(_), None) | (_, Some(_)) => Opening::Established,
        }
    }
}

#[cfg(test)]
mod tests;
