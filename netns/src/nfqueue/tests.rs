use pretty_assertions::assert_eq;

use super::*;

/// The header fields in host byte order: length, type, flags; sequence and port are 0.
fn header(length: u32, kind: u16, flags: u16) -> Vec<u8> {
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len() as u16;
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value, &padding].concat()
}

/// A packet's message, with the attributes that the kernel sends if it copies no contents.
fn packet(attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload = [&[2, 0, 0, 7][..], &attributes.concat()].concat();
    [header(16 + payload.len() as u32, 0x0300, 0), payload].concat()
}

fn read(bytes: &[u8]) -> Result<NetlinkPayload<Packet>, DecodeError> {
    NetlinkMessage::deserialize(bytes).map(|message| message.payload)
}

#[test]
fn a_queue_requests_only_ids_and_unsegmented_packets() {
    let expected = [
        header(16 + 4 + 8 + 12 + 3 * 8, 0x0302, 0x5),
        vec![0, 0, 0, 7],
        attribute(1, &[1, 0, 0, 0]),
        attribute(2, &[0, 0, 0, 0, 1]),
        attribute(3, &[0, 2, 0, 0]),
        attribute(4, &[0, 0, 0, 5]),
        attribute(5, &[0, 0, 0, 4]),
    ];
    assert_eq!(Request::Bind { queue: 7, length: 1 << 17 }.to_bytes(), expected.concat());
}

#[test]
fn one_verdict_accepts_all_packets_up_to_an_id() {
    let expected =
        [header(16 + 4 + 12, 0x0303, 0x1), vec![0, 0, 1, 2], attribute(2, &[0, 0, 0, 1, 0x0a, 0x0b, 0x0c, 0x0d])];
    let request = Request::AcceptUpTo { queue: 0x0102, last: PacketId(0x0a0b_0c0d) };
    assert_eq!(request.to_bytes(), expected.concat());
}

#[test]
fn a_packets_id_is_found_at_any_position() {
    let mark = attribute(3, &[0, 0, 0, 9]);
    let number = attribute(1, &[0x0a, 0x0b, 0x0c, 0x0d, 0x08, 0x00, 2]);
    for attributes in [[mark.clone(), number.clone()], [number, mark]] {
        let read = read(&packet(&attributes)).unwrap();
        assert_eq!(read, NetlinkPayload::InnerMessage(Packet(PacketId(0x0a0b_0c0d))));
    }
}

#[test]
fn the_kernels_refusal_is_an_error() {
    let refusal = [header(16 + 4 + 16, 2, 0), (-libc::EPERM).to_ne_bytes().to_vec(), header(0, 0x0302, 5)].concat();
    let NetlinkPayload::Error(error) = read(&refusal).unwrap() else { panic!("not read as an error") };
    assert_eq!(error.to_io().raw_os_error(), Some(libc::EPERM));
}

#[test]
fn truncated_messages_and_those_of_another_type_are_refused() {
    let whole = packet(&[attribute(1, &[0, 0, 0, 1, 8, 0, 2])]);
    assert!(read(&whole).is_ok());
    for length in 0..whole.len() - 1 {
        // Even if the header claims that this is the whole message.
        let mut cut = whole[..length].to_vec();
        assert!(read(&cut).is_err(), "{length} bytes");
        if let Some(claimed) = cut.first_chunk_mut() {
            *claimed = (length as u32).to_ne_bytes();
            assert!(read(&cut).is_err(), "{length} bytes that claim to be complete");
        }
    }
    assert!(read(&packet(&[])).is_err());
    assert!(read(&packet(&[attribute(1, &[0, 0])])).is_err());
    assert!(read(&[header(20, 0x0302, 0), vec![0; 4]].concat()).is_err());
}
