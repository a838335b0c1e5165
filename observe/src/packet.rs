//! Captured frames, and the TCP segments in them.

use std::net::{IpAddr, SocketAddr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use schemars::JsonSchema;
use serde::Serialize;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize)]
pub struct Interface {
    /// The host that has the interface; in a lab the pod, such as `client.default`.
    pub host: String,
    /// Name of the interface on that host: `lo` or `eth0`.
    pub name: String,
}

/// A captured Ethernet frame, as received from an `AF_PACKET` `SOCK_RAW` socket.
///
/// On `lo` the Ethernet header is all zero except for the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Index into [`Capture::interfaces`].
    pub interface: usize,
    /// Time of capture in nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// The frame, starting with its Ethernet header. With segmentation and checksum offload it may be longer than the link's
    /// MTU and its checksums may be blank.
    pub data: Vec<u8>,
}

/// Packets, and the interfaces that they were captured on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Interfaces, indexed by [`Packet::interface`].
    pub interfaces: Vec<Interface>,
    /// Packets, in any order.
    pub packets: Vec<Packet>,
    /// A key log that came with the packets, from the Decryption Secrets Blocks of a pcapng file.
    pub secrets: String,
}

/// The two ends of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// Whether it opens a connection: a SYN without an acknowledgement.
    pub opens: bool,
}

impl Ends {
    /// The ends of the TCP segment in an Ethernet frame, or `None` if it is anything else.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            return None;
        };
        let (source, destination) = match sliced.net? {
            LaxNetSlice::Ipv4(ip) => {
                (IpAddr::from(ip.header().source_addr()), IpAddr::from(ip.header().destination_addr()))
            }
            LaxNetSlice::Ipv6(ip) => {
                (IpAddr::from(ip.header().source_addr()), IpAddr::from(ip.header().destination_addr()))
            }
            LaxNetSlice::Arp(_) => return None,
        };
        Some(Self {
            source: SocketAddr::new(source, tcp.source_port()),
            destination: SocketAddr::new(destination, tcp.destination_port()),
            opens: tcp.syn() && !tcp.ack(),
        })
    }
}

/// A TCP segment of a captured packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) interface: usize,
    pub(crate) timestamp_ns: u64,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) seq: u32,
    /// Acknowledgement number, if the ACK flag is set.
    pub(crate) ack: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    /// The captured part of the payload.
    pub(crate) payload: &'a [u8],
    /// Length of the payload on the wire, which is longer than `payload` if the capture truncated the packet.
    pub(crate) wire_len: usize,
}

impl<'a> Segment<'a> {
    /// The TCP segment in `packet`, or `None` if it is anything else (ARP, UDP, a fragment, garbage).
    pub(crate) fn parse(packet: &'a Packet) -> Option<Self> {
        let sliced = LaxSlicedPacket::from_ethernet(&packet.data).ok()?;
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            return None;
        };
        let (source, destination, ip_payload_len) = match sliced.net? {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let total = usize::from(header.total_len());
                let len = total.checked_sub(usize::from(header.ihl()) * 4);
                (IpAddr::from(header.source_addr()), IpAddr::from(header.destination_addr()), len)
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let extensions = ip.extensions().slice().len();
                let len = usize::from(header.payload_length()).checked_sub(extensions);
                (IpAddr::from(header.source_addr()), IpAddr::from(header.destination_addr()), len)
            }
            LaxNetSlice::Arp(_) => return None,
        };

        let header_len = tcp.header_slice().len();
        let captured = tcp.payload();
        // A length of zero means "not filled in yet, or too long for the field" (with segmentation offload): use the captured length.
        let wire_len = ip_payload_len.and_then(|len| len.checked_sub(header_len)).unwrap_or(captured.len());
        // Ethernet pads short frames: bytes beyond the IP packet's length do not belong to the segment.
        let payload = &captured[..captured.len().min(wire_len)];

        Some(Self {
            interface: packet.interface,
            timestamp_ns: packet.timestamp_ns,
            source: SocketAddr::new(source, tcp.source_port()),
            destination: SocketAddr::new(destination, tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.ack().then(|| tcp.acknowledgment_number()),
            syn: tcp.syn(),
            fin: tcp.fin(),
            rst: tcp.rst(),
            payload,
            wire_len,
        })
    }
}
