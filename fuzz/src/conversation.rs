//! A TCP connection whose two streams are taken from arbitrary bytes.

use etherparse::PacketBuilder;
use observe::{Capture, Interface, Packet};

/// Separates the key log from the segments.
pub(crate) const END_OF_KEYS: &[u8] = b"\n\n";

/// Control bits in front of each segment.
pub(crate) mod control {
    pub(crate) const FROM_SERVER: u8 = 0x80;
    /// The segment is sent again.
    pub(crate) const AGAIN: u8 = 0x40;
    /// The segment is lost.
    pub(crate) const LOST: u8 = 0x20;
    pub(crate) const FIN: u8 = 0x10;
}

/// A capture of a connection, and a key log. The input is a key log, an empty line, and segments: a control byte, a length, and as
/// many bytes.
pub(crate) fn capture(bytes: &[u8]) -> (Capture, String) {
    let at = bytes.windows(END_OF_KEYS.len()).position(|window| window == END_OF_KEYS);
    let (keys, mut rest) = match at {
        Some(at) => (&bytes[..at], &bytes[at + END_OF_KEYS.len()..]),
        None => (&bytes[..0], bytes),
    };
    let mut wire = Wire::default();
    wire.send(false, &[], Flags { syn: true, ..Flags::default() });
    wire.send(true, &[], Flags { syn: true, ..Flags::default() });
    while let [control, length, following @ ..] = rest {
        let (payload, after) = following.split_at(usize::from(*length).min(following.len()));
        rest = after;
        let from_server = control & control::FROM_SERVER != 0;
        let flags = Flags { fin: control & control::FIN != 0, lost: control & control::LOST != 0, syn: false };
        let before = wire.sequence[usize::from(from_server)];
        wire.send(from_server, payload, flags);
        if control & control::AGAIN != 0 {
            wire.sequence[usize::from(from_server)] = before;
            wire.send(from_server, payload, flags);
        }
    }
    let interfaces = vec![Interface { host: "client.default".into(), name: "eth0".into() }];
    let capture = Capture { interfaces, packets: wire.packets, secrets: String::new() };
    (capture, String::from_utf8_lossy(keys).into_owned())
}

#[derive(Clone, Copy, Default)]
struct Flags {
    syn: bool,
    fin: bool,
    lost: bool,
}

#[derive(Default)]
struct Wire {
    /// The next sequence numbers of client and server.
    sequence: [u32; 2],
    packets: Vec<Packet>,
}

impl Wire {
    fn send(&mut self, from_server: bool, payload: &[u8], flags: Flags) {
        const ENDS: [([u8; 4], u16); 2] = [([10, 244, 0, 2], 45678), ([10, 244, 0, 3], 8080)];
        let (own, other) = (usize::from(from_server), usize::from(!from_server));
        let ((source, source_port), (destination, destination_port)) = (ENDS[own], ENDS[other]);
        let mut packet = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(source, destination, 64)
            .tcp(source_port, destination_port, self.sequence[own], 65535)
            .ack(self.sequence[other]);
        if flags.syn {
            packet = packet.syn();
        }
        if flags.fin {
            packet = packet.fin();
        }
        let mut data = Vec::new();
        packet.write(&mut data, payload).expect("a segment of at most 255 bytes is a packet");
        let length = u32::try_from(payload.len()).expect("at most 255");
        self.sequence[own] = self.sequence[own].wrapping_add(length + u32::from(flags.syn) + u32::from(flags.fin));
        if !flags.lost {
            let timestamp_ns = 1_000_000_000 + 1_000_000 * self.packets.len() as u64;
            self.packets.push(Packet { interface: 0, timestamp_ns, data });
        }
    }
}
