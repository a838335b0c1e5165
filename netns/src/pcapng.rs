//! Writing a capture as a pcapng file for Wireshark, with the TLS keys embedded.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use pcap_file::{
    DataLink, PcapError,
    pcapng::{
        Block, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            interface_statistics::{InterfaceStatisticsBlock, InterfaceStatisticsOption},
            unknown::UnknownBlock,
        },
    },
};

use crate::capture::{Captured, CapturedPacket, Direction};

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
    let mut writer = PcapNgWriter::new(out).map_err(io_error)?;
    let mut write = |block: Block<'_>| writer.write_block(&block).map(drop).map_err(io_error);
    for interface in &captured.interfaces {
        let name = format!("{}/{}", interface.pod, interface.name);
        write(Block::InterfaceDescription(InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(Cow::Owned(name)),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        }))?;
    }
    for secrets in secrets.iter().filter(|secrets| !secrets.is_empty()) {
        write(decryption_secrets(secrets))?;
    }
    for packet in &captured.packets {
        write(enhanced_packet(packet))?;
    }
    let end = captured.packets.last().map_or(0, |packet| packet.timestamp.as_nanos() as u64);
    for (interface, dropped) in (0..).zip(&captured.dropped) {
        write(Block::InterfaceStatistics(InterfaceStatisticsBlock {
            interface_id: interface,
            // The format puts the upper half first; the library writes one little-endian number.
            timestamp: end.rotate_left(32),
            options: vec![InterfaceStatisticsOption::IsbIfDrop(*dropped)],
        }))?;
    }
    Ok(())
}

/// The library has no type for this block; it pads the body of an unknown block as the format requires.
fn decryption_secrets(secrets: &str) -> Block<'static> {
    let mut body = Vec::with_capacity(8 + secrets.len());
    body.extend(TLS_KEY_LOG.to_ne_bytes());
    body.extend((secrets.len() as u32).to_ne_bytes());
    body.extend(secrets.as_bytes());
    Block::Unknown(UnknownBlock { type_: DECRYPTION_SECRETS, length: 0, value: Cow::Owned(body) })
}

fn enhanced_packet(packet: &CapturedPacket) -> Block<'_> {
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
        options: vec![EnhancedPacketOption::Flags(direction)],
    })
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}
