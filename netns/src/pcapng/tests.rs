use std::time::Duration;

use pcap_file::pcapng::PcapNgReader;
use pretty_assertions::assert_eq;

use super::*;
use crate::capture::{Interface, InterfaceId};

fn captured() -> Captured {
    Captured {
        interfaces: vec![Interface { pod: "client.default".to_owned(), name: "eth0".to_owned() }],
        packets: vec![CapturedPacket {
            interface: InterfaceId(0),
            timestamp: Duration::new(1_700_000_000, 123_456_789),
            data: vec![7; 61],
            direction: Direction::Outgoing,
        }],
        dropped: vec![5],
    }
}

#[test]
fn keys_come_before_packets_and_losses_last() {
    let mut file = Vec::new();
    let secrets = ["CLIENT_RANDOM 00 11\n".to_owned(), String::new()];
    write_pcapng(&mut file, &captured(), &secrets).unwrap();

    let mut reader = PcapNgReader::new(&file[..]).unwrap();
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block() {
        blocks.push(block.unwrap().into_owned());
    }
    let [interface, keys, packet, statistics] = &blocks[..] else { panic!("{blocks:?}") };

    let name = InterfaceDescriptionOption::IfName("client.default/eth0".into());
    let Block::InterfaceDescription(interface) = interface else { panic!("{interface:?}") };
    assert_eq!(interface.options, [name, InterfaceDescriptionOption::IfTsResol(9)]);

    let Block::Unknown(keys) = keys else { panic!("{keys:?}") };
    assert_eq!(keys.type_, DECRYPTION_SECRETS);
    assert_eq!(keys.value[..8], [&TLS_KEY_LOG.to_ne_bytes()[..], &20u32.to_ne_bytes()].concat());
    assert_eq!(&keys.value[8..], b"CLIENT_RANDOM 00 11\n");

    let Block::EnhancedPacket(packet) = packet else { panic!("{packet:?}") };
    assert_eq!(packet.timestamp, captured().packets[0].timestamp);
    assert_eq!((packet.data.len(), packet.original_len), (61, 61));
    assert_eq!(packet.options, [EnhancedPacketOption::Flags(0b10)]);

    let Block::InterfaceStatistics(statistics) = statistics else { panic!("{statistics:?}") };
    assert_eq!(statistics.options, [InterfaceStatisticsOption::IsbIfDrop(5)]);
}
