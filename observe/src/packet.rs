//! Captured frames, and the TCP segments that are read out of them.

use std::net::{IpAddr, SocketAddr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use schemars::JsonSchema;
use serde::Serialize;

/// Where a packet was captured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize)]
pub struct Interface {
    /// The host that owns the interface; in a lab the pod, as `client.default`.
    pub host: String,
    /// The interface's name within that host: `lo` or `eth0`.
    pub name: String,
}

/// One captured ethernet frame, as an `AF_PACKET` `SOCK_RAW` socket gives it.
///
/// On `lo` the ethernet header is all zero but for the type of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Index into [`Capture::interfaces`].
    pub interface: usize,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// The frame from its ethernet header on. It may be a super-packet, longer than the link's MTU, and its checksums may
    /// be unset: both are what the kernel shows before the card (or the peer's veth) has done its part.
    pub data: Vec<u8>,
}

/// Packets, and the interfaces that they were captured at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The interfaces, in the order that [`Packet::interface`] counts.
    pub interfaces: Vec<Interface>,
    /// The packets, in any order.
    pub packets: Vec<Packet>,
    /// Key-log text that came with the packets: the Decryption Secrets Blocks of a pcapng file.
    pub secrets: String,
}

/// One TCP segment of a captured packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) interface: usize,
    pub(crate) timestamp_ns: u64,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) seq: u32,
    /// Of the acknowledgement, when the segment carries one.
    pub(crate) ack: Option<u32>,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    /// What was captured of the payload.
    pub(crate) payload: &'a [u8],
    /// Length of the payload on the wire: more than was captured when the capture cut packets short.
    pub(crate) wire_len: usize,
}

impl<'a> Segment<'a> {
    /// The TCP segment in `packet`, or `None` when it holds something else (ARP, UDP, a fragment, garbage).
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
        // A length of zero stands for "not set yet, or too long for the field" (super-packets): what was captured is then all there is.
        let wire_len = ip_payload_len.and_then(|len| len.checked_sub(header_len)).unwrap_or(captured.len());
        // Ethernet pads short frames: what is beyond the IP packet's length is not the segment's.
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
