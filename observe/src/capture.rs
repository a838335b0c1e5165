//! Reading pcapng files.

use std::io::{ErrorKind, Read};

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};

use crate::{Capture, Interface, Packet};

/// Block type of a Decryption Secrets Block (draft-ietf-opsawg-pcapng, section 4.7), which the pcapng library leaves unparsed.
const DECRYPTION_SECRETS: u32 = 0x0000_000A;
/// Secrets type of an NSS key log: the letters "TLSK".
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// An error reading a pcapng file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not pcapng, or is damaged.
    #[error("pcapng, block {block}: {source}")]
    Format {
        /// How many blocks were read before.
        block: usize,
        /// The parser's error.
        source: PcapError,
    },
    /// An interface whose link type is not Ethernet, as `tcpdump -i any` produces.
    #[error(
        "interface {name} has link type {link:?}; capture on a single interface (`tcpdump -i eth0`) to get Ethernet frames"
    )]
    Link {
        /// Name of the interface.
        name: String,
        /// Its link type, as in the pcap registry.
        link: DataLink,
    },
    /// A packet refers to an interface that has not been described.
    #[error("pcapng, block {block}: a packet of interface {interface}, which the file does not describe")]
    UnknownInterface {
        /// How many blocks were read before.
        block: usize,
        /// The index that the packet refers to.
        interface: u32,
    },
}

impl Capture {
    /// Reads a pcapng file, including its TLS secrets.
    ///
    /// An interface is named `HOST/NAME`, as in `client.default/eth0`; without a slash the host is empty. If the file ends in the
    /// middle of a block (its writer was killed), everything before that block is returned.
    ///
    /// # Errors
    ///
    /// If the file is not pcapng, is damaged, or contains frames that are not Ethernet.
    pub fn read_pcapng(file: impl Read) -> Result<Self, ReadError> {
        let format = |block| move |source| ReadError::Format { block, source };
        let mut reader = PcapNgReader::new(file).map_err(format(0))?;
        let mut capture = Self::default();
        // Ticks per second, by interface.
        let mut resolutions = Vec::new();
        let mut count = 1;
        // Index of the current section's first interface: each section counts from 0.
        let mut section = 0;
        while let Some(block) = reader.next_block() {
            let block = match block {
                Ok(block) => block,
                Err(PcapError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(source) => return Err(ReadError::Format { block: count, source }),
            };
            match block {
                Block::SectionHeader(_) => section = capture.interfaces.len(),
                Block::InterfaceDescription(interface) => {
                    resolutions.push(ticks_per_second(&interface));
                    capture.interfaces.push(describe(&interface)?);
                }
                Block::EnhancedPacket(packet) => {
                    let interface = section + packet.interface_id as usize;
                    let Some(&resolution) = resolutions.get(interface) else {
                        return Err(ReadError::UnknownInterface { block: count, interface: packet.interface_id });
                    };
                    capture.packets.push(read_packet(packet, interface, resolution));
                }
                Block::Unknown(block) if block.type_ == DECRYPTION_SECRETS => {
                    capture.secrets.push_str(&key_log(&block.value));
                }
                _ => {}
            }
            count += 1;
        }
        Ok(capture)
    }
}

fn describe(interface: &InterfaceDescriptionBlock<'_>) -> Result<Interface, ReadError> {
    let name = interface
        .options
        .iter()
        .find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) => Some(name.as_ref()),
            _ => None,
        })
        .unwrap_or_default();
    if interface.linktype != DataLink::ETHERNET {
        return Err(ReadError::Link { name: name.to_owned(), link: interface.linktype });
    }
    let (host, name) = name.rsplit_once('/').unwrap_or(("", name));
    Ok(Interface { host: host.to_owned(), name: name.to_owned() })
}

/// Resolution of an interface's timestamps; microseconds by default.
fn ticks_per_second(interface: &InterfaceDescriptionBlock<'_>) -> u128 {
    let resolution = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    match resolution {
        // With the high bit set, the rest is a power of two.
        Some(resolution) if resolution & 0x80 != 0 => 1 << u32::from(resolution & 0x7f).min(63),
        Some(resolution) => 10_u128.pow(u32::from(resolution).min(18)),
        None => 1_000_000,
    }
}

fn read_packet(packet: EnhancedPacketBlock<'_>, interface: usize, ticks_per_second: u128) -> Packet {
    // The library interprets ticks as nanoseconds, regardless of the interface's resolution.
    let ticks = packet.timestamp.as_nanos();
    let timestamp_ns = ticks * 1_000_000_000 / ticks_per_second;
    Packet { interface, timestamp_ns: u64::try_from(timestamp_ns).unwrap_or(u64::MAX), data: packet.data.into_owned() }
}

/// The key log in a Decryption Secrets Block of either byte order; empty for other types of secrets.
fn key_log(block: &[u8]) -> String {
    let (Some(kind), Some(len)) = (block.first_chunk::<4>(), block.get(4..8)) else {
        return String::new();
    };
    let big_endian = u32::from_be_bytes(*kind) == TLS_KEY_LOG;
    if !big_endian && u32::from_le_bytes(*kind) != TLS_KEY_LOG {
        return String::new();
    }
    let mut bytes = [0; 4];
    bytes.copy_from_slice(len);
    let len = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    let text = &block[8..];
    let text = &text[..text.len().min(len as usize)];
    String::from_utf8_lossy(text).into_owned() + "\n"
}

#[cfg(test)]
mod tests;
