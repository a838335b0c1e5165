use pretty_assertions::assert_eq;

use crate::testing::{Wire, client_says, http_talk, server_says};
use crate::{End, Flow, Gap, KeyLog, Layer, Opening, Side};

fn flow(wire: Wire) -> Flow {
    wire.flow(&KeyLog::default())
}

/// What the client sent, in a flow of opaque bytes.
fn client_bytes(flow: &Flow) -> &[u8] {
    match flow.content.last() {
        Some(Layer::Tcp(opaque)) => &opaque.client.first,
        other => panic!("{other:#?}"),
    }
}

/// Ten packets of ten bytes each from the client, as packets 3 to 12, and then a FIN.
fn ten_packets() -> Wire {
    let mut wire = Wire { mss: 10, ..Wire::default() };
    wire.open();
    wire.send(Side::Client, &digits());
    wire.fin(Side::Client);
    wire
}

fn digits() -> Vec<u8> {
    (0..10).flat_map(|digit| [b'0' + digit; 10]).collect()
}

#[test]
fn an_orderly_close_is_reported() {
    let flow = flow(Wire::default().whole(&http_talk()));
    assert_eq!((flow.opening, flow.sent.end, flow.received.end), (Opening::Established, End::Fin, End::Fin));
    assert_eq!(flow.layers(), ["http/1.1"]);
    assert_eq!(flow.sent.gaps, []);
    assert_eq!(flow.received.bytes, http_talk()[1].1.len() as u64);
    assert!(flow.first_ns < flow.last_ns);
}

#[test]
fn packets_out_of_order_are_reordered() {
    let mut wire = ten_packets();
    wire.packets[3..13].reverse();
    wire.restamp();
    let flow = flow(wire);
    assert_eq!(client_bytes(&flow), digits());
    assert_eq!((flow.sent.retransmitted_bytes, flow.sent.end), (0, End::Fin));
}

#[test]
fn retransmissions_are_counted_and_ignored() {
    let mut wire = ten_packets();
    for at in [5, 5, 9] {
        let again = wire.packets[at].clone();
        wire.packets.push(again);
    }
    wire.restamp();
    let flow = flow(wire);
    assert_eq!(client_bytes(&flow), digits());
    assert_eq!((flow.sent.bytes, flow.sent.retransmitted_bytes, flow.sent.conflicting_bytes), (100, 30, 0));
}

#[test]
fn overlapping_segments_keep_the_first_copy_and_count_differences() {
    let mut wire = Wire::default();
    wire.open();
    wire.send(Side::Client, b"abcdef");
    // Retransmitted from the third byte on, together with new bytes, and with one byte changed.
    wire.client_seq -= 4;
    wire.send(Side::Client, b"cdXfghij");
    let flow = flow(wire);
    assert_eq!(client_bytes(&flow), b"abcdefghij");
    assert_eq!((flow.sent.retransmitted_bytes, flow.sent.conflicting_bytes), (4, 1));
}

#[test]
fn sequence_numbers_may_wrap_around() {
    let mut wire = Wire { client_seq: u32::MAX - 25, server_seq: u32::MAX, mss: 10, ..Wire::default() };
    wire.open();
    wire.send(Side::Client, &digits());
    wire.send(Side::Server, b"yes");
    let flow = flow(wire);
    assert_eq!(client_bytes(&flow), digits());
    assert_eq!((flow.sent.gaps.as_slice(), flow.received.bytes), ([].as_slice(), 3));
}

#[test]
fn a_lost_packet_is_a_gap_and_nothing_after_it_is_parsed() {
    let mut wire = ten_packets();
    wire.packets.remove(5);
    let flow = flow(wire);
    assert_eq!(flow.sent.gaps, [Gap { offset: 20, bytes: 10 }]);
    assert_eq!(flow.sent.bytes, 90);
    assert_eq!(client_bytes(&flow), &digits()[..20]);
    let Some(Layer::Tcp(opaque)) = flow.content.last() else { panic!() };
    assert_eq!(opaque.client.cut.as_deref(), Some("10 bytes after byte 20 are not in the capture"));
}

#[test]
fn bytes_that_were_acknowledged_but_not_captured_are_a_gap_at_the_end() {
    let mut wire = Wire::default();
    wire.open();
    wire.send(Side::Client, b"captured");
    wire.client_seq += 5;
    wire.send(Side::Server, b"yes");
    assert_eq!(flow(wire).sent.gaps, [Gap { offset: 8, bytes: 5 }]);
}

#[test]
fn a_packet_truncated_by_the_capture_is_a_gap() {
    let mut wire = ten_packets();
    wire.packets[4].data.truncate(14 + 20 + 20 + 4);
    let flow = flow(wire);
    assert_eq!(flow.sent.gaps, [Gap { offset: 14, bytes: 6 }]);
    assert_eq!(client_bytes(&flow), &digits()[..14]);
}

#[test]
fn a_capture_that_started_late_is_reported_and_parsed_from_there() {
    let mut wire = ten_packets();
    wire.packets.drain(..6);
    let client = wire.client;
    let flow = flow(wire);
    assert_eq!((flow.opening, flow.initiator), (Opening::NotSeen, client));
    assert_eq!(client_bytes(&flow), &digits()[30..]);
    assert_eq!(flow.sent.gaps, []);
}

#[test]
fn a_packet_longer_than_any_mtu_is_one_segment() {
    let mut wire = Wire { mss: 60_000, ..Wire::default() };
    wire.open();
    wire.send(Side::Client, &[b'x'; 60_000]);
    let flow = flow(wire);
    assert_eq!((flow.sent.bytes, flow.sent.packets), (60_000, 3));
}

#[test]
fn a_refused_syn_is_refused() {
    let mut wire = Wire::default();
    wire.syn();
    wire.refuse();
    let flow = flow(wire);
    assert_eq!((flow.opening, flow.received.end), (Opening::Refused, End::Rst));
    assert_eq!(flow.layers(), ["tcp"]);
}

#[test]
fn a_syn_without_an_answer_is_unanswered() {
    let mut wire = Wire::default();
    wire.syn();
    let again = wire.packets[0].clone();
    wire.packets.push(again);
    let flow = flow(wire);
    assert_eq!((flow.opening, flow.sent.packets), (Opening::Unanswered, 2));
}

#[test]
fn a_reset_is_distinguished_from_a_reset_after_fin() {
    let mut wire = Wire::default();
    wire.open();
    wire.talk(&vec![client_says("a"), server_says("b")]);
    wire.fin(Side::Client);
    wire.rst(Side::Client);
    wire.rst(Side::Server);
    let flow = flow(wire);
    assert_eq!((flow.sent.end, flow.received.end), (End::FinThenRst, End::Rst));
}

#[test]
fn a_connection_that_outlives_the_capture_is_open() {
    let mut wire = Wire::default();
    wire.open();
    let flow = flow(wire);
    assert_eq!((flow.sent.end, flow.received.end), (End::Open, End::Open));
}
