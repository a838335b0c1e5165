use std::borrow::Cow;
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::pcapng::{Block, PcapNgWriter};
use pretty_assertions::assert_eq;
use rustls::version::TLS13;

use super::{DECRYPTION_SECRETS, ReadError, TLS_KEY_LOG};
use crate::testing::{Wire, tls_talk};
use crate::{Capture, Interface, KeyLog, observe};

/// A pcapng file with one interface, keys, and packets.
fn file(name: &str, link: DataLink, secrets: &str, capture: &Capture) -> Vec<u8> {
    let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
    let options =
        vec![InterfaceDescriptionOption::IfName(Cow::Owned(name.to_owned())), InterfaceDescriptionOption::IfTsResol(9)];
    let interface = InterfaceDescriptionBlock { linktype: link, snaplen: 0, options };
    writer.write_block(&Block::InterfaceDescription(interface)).unwrap();
    let mut value = TLS_KEY_LOG.to_ne_bytes().to_vec();
    value.extend(u32::try_from(secrets.len()).unwrap().to_ne_bytes());
    value.extend(secrets.as_bytes());
    let keys = UnknownBlock { type_: DECRYPTION_SECRETS, length: 0, value: Cow::Owned(value) };
    writer.write_block(&Block::Unknown(keys)).unwrap();
    for packet in &capture.packets {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(packet.timestamp_ns),
            original_len: u32::try_from(packet.data.len()).unwrap(),
            data: Cow::Borrowed(&packet.data),
            options: Vec::new(),
        };
        writer.write_block(&Block::EnhancedPacket(block)).unwrap();
    }
    writer.into_inner()
}

#[test]
fn a_file_is_decrypted_with_its_embedded_keys() {
    let (talk, keys) = tls_talk(true, "TLS13_AES_128_GCM_SHA256", &TLS13);
    let capture = Wire::default().whole(&talk).capture();
    let file = file("client.default/eth0", DataLink::ETHERNET, &keys.text(), &capture);
    let read = Capture::read_pcapng(file.as_slice()).unwrap();
    let interface = Interface { host: "client.default".to_owned(), name: "eth0".to_owned() };
    assert_eq!(read.interfaces, [interface]);
    assert_eq!(read.packets, capture.packets);
    let flows = observe(&read, &KeyLog::parse(&read.secrets));
    assert_eq!(flows[0].layers(), ["mtls", "http/1.1"]);
}

#[test]
fn a_truncated_file_gives_everything_before_the_cut() {
    let capture = Wire::default().whole(&vec![]).capture();
    let file = file("eth0", DataLink::ETHERNET, "", &capture);
    let header = 28;
    for len in header..file.len() {
        let read = Capture::read_pcapng(&file[..len]).unwrap();
        assert!(read.packets.len() < capture.packets.len());
        assert_eq!(read.packets, capture.packets[..read.packets.len()]);
    }
    assert!(Capture::read_pcapng(&file[..header - 1]).is_err());
}

#[test]
fn frames_that_are_not_ethernet_are_refused_with_a_fix() {
    let file = file("any", DataLink::LINUX_SLL, "", &Capture::default());
    let error = Capture::read_pcapng(file.as_slice()).unwrap_err();
    assert!(matches!(error, ReadError::Link { .. }));
    assert!(error.to_string().contains("tcpdump -i eth0"), "{error}");
}

#[test]
fn a_file_that_is_not_pcapng_is_refused() {
    let error = Capture::read_pcapng(b"not a capture, but long enough to be one".as_slice()).unwrap_err();
    assert!(error.to_string().starts_with("pcapng, block 0: "), "{error}");
}
