//! TCP connections, as the packets of a capture.

use std::net::SocketAddr;

use etherparse::PacketBuilder;

use super::Talk;
use crate::{Capture, Flow, Interface, KeyLog, Packet, Side, observe};

/// A TCP connection that is written as packets, one per millisecond.
pub(crate) struct Wire {
    pub(crate) client: SocketAddr,
    /// The address that the client dialled.
    pub(crate) server: SocketAddr,
    /// The address that a REDIRECT replaces it by.
    pub(crate) redirected_to: Option<SocketAddr>,
    /// The next sequence numbers of client and server.
    pub(crate) client_seq: u32,
    pub(crate) server_seq: u32,
    /// Maximum payload of a packet, in bytes.
    pub(crate) mss: usize,
    pub(crate) now_ns: u64,
    pub(crate) packets: Vec<Packet>,
}

/// The flags of a segment.
#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    ack: bool,
    fin: bool,
    rst: bool,
}

const ACK: Flags = Flags { syn: false, ack: true, fin: false, rst: false };

impl Default for Wire {
    fn default() -> Self {
        Self {
            client: "10.244.0.2:45678".parse().unwrap(),
            server: "10.96.0.10:8080".parse().unwrap(),
            redirected_to: None,
            client_seq: 1000,
            server_seq: 900_000,
            mss: 1448,
            now_ns: 1_000_000_000,
            packets: Vec::new(),
        }
    }
}

impl Wire {
    pub(crate) fn redirected() -> Self {
        Self { redirected_to: Some("127.0.0.1:15001".parse().unwrap()), ..Self::default() }
    }

    pub(crate) fn redirected_v6() -> Self {
        Self {
            client: "[fd00:244::2]:45678".parse().unwrap(),
            server: "[fd00:96::a]:8080".parse().unwrap(),
            redirected_to: Some("[::1]:15001".parse().unwrap()),
            ..Self::default()
        }
    }

    /// A complete connection: opened, used, and closed in order by the client and then the server.
    pub(crate) fn whole(mut self, talk: &Talk) -> Self {
        self.open();
        self.talk(talk);
        self.fin(Side::Client);
        self.fin(Side::Server);
        self
    }

    pub(crate) fn open(&mut self) {
        self.syn();
        self.segment(Side::Server, Flags { syn: true, ..ACK }, &[]);
        self.segment(Side::Client, ACK, &[]);
    }

    pub(crate) fn syn(&mut self) {
        self.segment(Side::Client, Flags { syn: true, ..Flags::default() }, &[]);
    }

    pub(crate) fn talk(&mut self, talk: &Talk) {
        for (side, bytes) in talk {
            self.send(*side, bytes);
        }
    }

    pub(crate) fn send(&mut self, side: Side, bytes: &[u8]) {
        for piece in bytes.chunks(self.mss) {
            self.segment(side, ACK, piece);
        }
    }

    pub(crate) fn fin(&mut self, side: Side) {
        self.segment(side, Flags { fin: true, ..ACK }, &[]);
    }

    pub(crate) fn rst(&mut self, side: Side) {
        self.segment(side, Flags { rst: true, ..ACK }, &[]);
    }

    /// Refuses a SYN as the kernel does, with sequence number 0.
    pub(crate) fn refuse(&mut self) {
        self.server_seq = 0;
        self.rst(Side::Server);
    }

    fn segment(&mut self, side: Side, flags: Flags, payload: &[u8]) {
        let (source, destination, seq, ack) = match side {
            Side::Client => (self.client, self.redirected_to.unwrap_or(self.server), self.client_seq, self.server_seq),
            Side::Server => (self.server, self.client, self.server_seq, self.client_seq),
        };
        let data = frame(source, destination, seq, flags.ack.then_some(ack), flags, payload);
        let advance = u32::try_from(payload.len()).unwrap() + u32::from(flags.syn) + u32::from(flags.fin);
        match side {
            Side::Client => self.client_seq = seq.wrapping_add(advance),
            Side::Server => self.server_seq = seq.wrapping_add(advance),
        }
        self.now_ns += 1_000_000;
        self.packets.push(Packet { interface: 0, timestamp_ns: self.now_ns, data });
    }

    /// Gives the packets new timestamps, in their current order.
    pub(crate) fn restamp(&mut self) {
        for (at, packet) in (1..).zip(&mut self.packets) {
            packet.timestamp_ns = at * 1_000_000;
        }
    }

    pub(crate) fn flows(self, keys: &KeyLog) -> Vec<Flow> {
        observe(&self.capture(), keys)
    }

    pub(crate) fn capture(self) -> Capture {
        let interface = Interface { host: "client.default".to_owned(), name: "lo".to_owned() };
        Capture { interfaces: vec![interface], packets: self.packets, secrets: String::new() }
    }

    /// The only flow of the packets.
    pub(crate) fn flow(self, keys: &KeyLog) -> Flow {
        let mut flows = self.flows(keys);
        assert_eq!(flows.len(), 1, "{flows:#?}");
        flows.remove(0)
    }
}

fn frame(
    source: SocketAddr,
    destination: SocketAddr,
    seq: u32,
    ack: Option<u32>,
    flags: Flags,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([0; 6], [0; 6]);
    let builder = match (source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            builder.ipv4(source.ip().octets(), destination.ip().octets(), 64)
        }
        (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
            builder.ipv6(source.ip().octets(), destination.ip().octets(), 64)
        }
        _ => panic!("addresses of two families"),
    };
    let mut tcp = builder.tcp(source.port(), destination.port(), seq, 64000);
    tcp = if let Some(ack) = ack { tcp.ack(ack) } else { tcp };
    tcp = if flags.syn { tcp.syn() } else { tcp };
    tcp = if flags.fin { tcp.fin() } else { tcp };
    tcp = if flags.rst { tcp.rst() } else { tcp };
    let mut data = Vec::new();
    tcp.write(&mut data, payload).unwrap();
    data
}

pub(crate) fn client_says(text: &str) -> (Side, Vec<u8>) {
    (Side::Client, text.as_bytes().to_vec())
}

pub(crate) fn server_says(text: &str) -> (Side, Vec<u8>) {
    (Side::Server, text.as_bytes().to_vec())
}
