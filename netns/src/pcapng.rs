//! Writing a capture as a pcapng file for Wireshark, with the TLS keys embedded.

use std::{
    borrow::Cow,
    io::{self, Write},
    net::IpAddr,
    time::Duration,
};

use pcap_file::{
    DataLink, PcapError,
    pcapng::{
        Block, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption},
            name_resolution::{Ipv4Record, Ipv6Record, NameResolutionBlock, Record},
            unknown::UnknownBlock,
        },
    },
};

use crate::capture::{Captured, CapturedPacket, Direction, Interface};

#[cfg(test)]
mod tests;

/// Block type of a Decryption Secrets Block (draft-ietf-opsawg-pcapng, section 4.7).
const DECRYPTION_SECRETS: u32 = 0x0000_000a;

/// Secrets type "TLSK": an NSS key log.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// `if_tsresol`: timestamps are in units of 10^-9 seconds.
const NANOSECONDS: u8 = 9;

/// Writes a capture as pcapng: an interface for each that was captured on, named `POD/INTERFACE`, the TLS keys, the packets, and
/// how many packets were dropped.
///
/// `secrets` are key logs in the format of `SSLKEYLOGFILE`. Each becomes a block before the packets, so that a reader can decrypt
/// in a single pass.
///
/// # Errors
///
/// Any error of `out`.
pub fn write_pcapng(out: &mut impl Write, captured: &Captured, secrets: &[String]) -> io::Result<()> {
    let mut writer = PcapngWriter::new(out, &captured.interfaces, &[])?;
    for secrets in secrets {
        writer.secrets(secrets)?;
    }
    for packet in &captured.packets {
        writer.packet(packet, None)?;
    }
    writer.end(&captured.dropped)
}

/// Writes a capture as pcapng while it runs: what was written can be read at any time.
pub struct PcapngWriter<W: Write> {
    writer: PcapNgWriter<W>,
    /// The time of the last packet.
    last: Duration,
}

impl<W: Write> std::fmt::Debug for PcapngWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapngWriter").field("last", &self.last).finish_non_exhaustive()
    }
}

impl<W: Write> PcapngWriter<W> {
    /// Begins with the interfaces, named `POD/INTERFACE`, and the names of addresses.
    ///
    /// # Errors
    ///
    /// Any error of `out`.
    pub fn new(out: W, interfaces: &[Interface], names: &[(IpAddr, String)]) -> io::Result<Self> {
        let mut this = Self { writer: PcapNgWriter::new(out).map_err(io_error)?, last: Duration::ZERO };
        for interface in interfaces {
            let name = format!("{}/{}", interface.pod, interface.name);
            this.write(&Block::InterfaceDescription(InterfaceDescriptionBlock {
                linktype: DataLink::ETHERNET,
                snaplen: 0,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Owned(name)),
                    InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
                ],
            }))?;
        }
        if !names.is_empty() {
            let records = names.iter().map(|(address, name)| resolution(*address, name)).collect();
            this.write(&Block::NameResolution(NameResolutionBlock { records, options: Vec::new() }))?;
        }
        Ok(this)
    }

    /// Writes a key log, in the format of `SSLKEYLOGFILE`, for the packets that follow.
    ///
    /// # Errors
    ///
    /// Any error of the output.
    pub fn secrets(&mut self, secrets: &str) -> io::Result<()> {
        if secrets.is_empty() { Ok(()) } else { self.write(&decryption_secrets(secrets)) }
    }

    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// Any error of the output.
    pub fn packet(&mut self, packet: &CapturedPacket, comment: Option<&str>) -> io::Result<()> {
        self.last = self.last.max(packet.timestamp);
        self.write(&enhanced_packet(packet, comment))
    }

    /// Ends with how many packets were dropped on each interface.
    ///
    /// # Errors
    ///
    /// Any error of the output.
    pub fn end(mut self, dropped: &[u64]) -> io::Result<()> {
        for (interface, dropped) in (0..).zip(dropped) {
            self.write(&Block::InterfaceStatistics(InterfaceStatisticsBlock {
                interface_id: interface,
                // The format puts the upper half first; the library writes one little-endian number.
                timestamp: (self.last.as_nanos() as u64).rotate_left(32),
                options: vec![InterfaceStatisticsOption::IsbIfDrop(*dropped)],
            }))?;
        }
        self.flush()
    }

    /// Hands what was written to the reader.
    ///
    /// # Errors
    ///
    /// Any error of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }

    fn write(&mut self, block: &Block<'_>) -> io::Result<()> {
        self.writer.write_block(block).map(drop).map_err(io_error)
    }
}

fn resolution(address: IpAddr, name: &str) -> Record<'_> {
    let names = vec![Cow::Borrowed(name)];
    match address {
        IpAddr::V4(address) => Record::Ipv4(Ipv4Record { ip_addr: Cow::Owned(address.octets().to_vec()), names }),
        IpAddr::V6(address) => Record::Ipv6(Ipv6Record { ip_addr: Cow::Owned(address.octets().to_vec()), names }),
    }
}

/// The library has no type for this block; it pads the body of an unknown block as the format requires.
fn decryption_secrets(secrets: &str) -> Block<'static> {
    let mut body = Vec::with_capacity(8 + secrets.len());
    body.extend(TLS_KEY_LOG.to_ne_bytes());
    body.extend((secrets.len() as u32).to_ne_bytes());
    body.extend(secrets.as_bytes());
    Block::Unknown(UnknownBlock { type_: DECRYPTION_SECRETS, length: 0, value: Cow::Owned(body) })
}

fn enhanced_packet<'a>(packet: &'a CapturedPacket, comment: Option<&'a str>) -> Block<'a> {
    // Bits 0 and 1 of epb_flags.
    let direction = match packet.direction {
        Direction::Incoming => 0b01,
        Direction::Outgoing => 0b10,
    };
    Block::EnhancedPacket(EnhancedPacketBlock {
        interface_id: packet.interface.0 as u32,
        timestamp: packet.timestamp,
        original_len: packet.data.len() as u32,
        data: Cow::Borrowed(&packet.data),
        options: comment
            .map(|comment| EnhancedPacketOption::Comment(Cow::Borrowed(comment)))
            .into_iter()
            .chain([EnhancedPacketOption::Flags(direction)])
            .collect(),
    })
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
