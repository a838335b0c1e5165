use std::net::SocketAddr;

use pretty_assertions::assert_eq;

use crate::testing::{Wire, client_says, http_talk, server_says};
use crate::{Flow, InitiatorBy, KeyLog, Opening, Redirect};

/// The flows of several connections in a single capture.
fn flows(wires: impl IntoIterator<Item = Wire>) -> Vec<Flow> {
    let mut all = Wire::default();
    for wire in wires {
        all.packets.extend(wire.packets);
    }
    all.flows(&KeyLog::default())
}

#[test]
fn the_two_directions_of_a_redirected_connection_are_one_flow() {
    for (wire, to) in [(Wire::redirected(), "127.0.0.1:15001"), (Wire::redirected_v6(), "[::1]:15001")] {
        let (client, server) = (wire.client, wire.server);
        let flow = wire.whole(&http_talk()).flow(&KeyLog::default());
        let redirected_to = to.parse().unwrap();
        assert_eq!(flow.redirect, Some(Redirect { original_destination: server, redirected_to }));
        assert_eq!((flow.initiator, flow.responder, flow.dialled()), (client, redirected_to, server));
        assert_eq!(flow.layers(), ["http/1.1"]);
    }
}

#[test]
fn a_connection_without_a_redirect_has_none() {
    let flow = Wire::default().whole(&http_talk()).flow(&KeyLog::default());
    assert_eq!(flow.redirect, None);
    assert_eq!(flow.dialled(), flow.responder);
}

#[test]
fn a_redirected_connection_is_joined_even_if_its_start_was_not_captured() {
    let mut wire = Wire::redirected().whole(&http_talk());
    wire.packets.drain(..3);
    let flow = wire.flow(&KeyLog::default());
    assert_eq!((flow.opening, flow.initiator_by), (Opening::NotSeen, InitiatorBy::Redirect));
    assert!(flow.redirect.is_some());
}

#[test]
fn a_redirect_identifies_its_initiator_even_if_the_responder_was_captured_first() {
    let mut wire = Wire::redirected();
    let (client, server) = (wire.client, wire.server);
    wire.open();
    wire.talk(&vec![server_says("hello"), client_says("hi"), server_says("bye")]);
    wire.packets.drain(..3);
    let flow = wire.flow(&KeyLog::default());
    assert_eq!((flow.initiator, flow.initiator_by, flow.dialled()), (client, InitiatorBy::Redirect, server));
    assert_eq!((flow.sent.packets, flow.received.packets), (1, 2));
}

#[test]
fn without_a_syn_the_sender_of_a_request_is_the_initiator_regardless_of_ports() {
    let (client, server) = ("10.244.0.2:1024".parse().unwrap(), "10.96.0.10:60000".parse().unwrap());
    // With the response, and with the request captured first.
    for answer_first in [false, true] {
        let mut wire = Wire { client, server, ..Wire::default() }.whole(&http_talk());
        wire.packets.drain(..3);
        if answer_first {
            wire.packets.swap(0, 1);
            wire.restamp();
        }
        let flow = wire.flow(&KeyLog::default());
        assert_eq!((flow.opening, flow.initiator, flow.initiator_by), (Opening::NotSeen, client, InitiatorBy::Content));
        assert_eq!((flow.responder, flow.layers()), (server, vec!["http/1.1"]));
    }
}

#[test]
fn without_a_syn_the_initiator_of_raw_bytes_is_unknown() {
    let mut wire = Wire::default();
    wire.open();
    wire.talk(&vec![client_says("one"), server_says("uno")]);
    wire.packets.drain(..3);
    assert_eq!(wire.flow(&KeyLog::default()).initiator_by, InitiatorBy::Unknown);
}

#[test]
fn a_syn_or_syn_ack_identifies_the_initiator() {
    for begin in [0, 1] {
        let mut wire = Wire::default().whole(&vec![client_says("one"), server_says("uno")]);
        let client = wire.client;
        wire.packets.drain(..begin);
        let flow = wire.flow(&KeyLog::default());
        assert_eq!((flow.initiator, flow.initiator_by), (client, InitiatorBy::Syn));
    }
}

#[test]
fn a_refused_redirect_is_joined() {
    let mut wire = Wire::redirected();
    wire.syn();
    wire.refuse();
    let flow = wire.flow(&KeyLog::default());
    assert_eq!(flow.opening, Opening::Refused);
    assert!(flow.redirect.is_some());
}

#[test]
fn redirected_connections_from_one_port_to_two_services_are_distinguished_by_sequence_numbers() {
    let first = Wire::redirected();
    let second = Wire {
        server: "10.96.0.11:9090".parse().unwrap(),
        redirected_to: Some("127.0.0.1:15006".parse().unwrap()),
        client_seq: 77_000_000,
        server_seq: 88_000_000,
        ..Wire::redirected()
    };
    let dialled = [first.server, second.server];
    let talks = [vec![client_says("one"), server_says("uno")], vec![client_says("two"), server_says("due")]];
    let flows = flows([first.whole(&talks[0]), second.whole(&talks[1])]);
    assert_eq!(flows.len(), 2);
    for (flow, (dialled, sent)) in flows.iter().zip(dialled.into_iter().zip(["uno", "due"])) {
        assert_eq!(flow.dialled(), dialled);
        assert!(flow.contains(sent), "{flow:#?}");
    }
}

#[test]
fn a_redirect_for_which_conntrack_changed_the_port_is_joined_by_sequence_numbers() {
    let mut wire = Wire::redirected();
    let dialled_from = wire.client;
    wire.open();
    wire.talk(&http_talk());
    // The initiator's packets, rewritten with the other port.
    let mut other = Wire { client: SocketAddr::new(dialled_from.ip(), 2000), ..Wire::redirected() };
    other.open();
    other.talk(&http_talk());
    let mixed = wire.packets.into_iter().zip(other.packets).map(|(own, changed)| {
        let sent = crate::packet::Segment::parse(&own).unwrap().source == dialled_from;
        if sent { changed } else { own }
    });
    let flow = Wire { packets: mixed.collect(), ..Wire::default() }.flow(&KeyLog::default());
    assert_eq!((flow.initiator, flow.layers()), (dialled_from, vec!["http/1.1"]));
}

#[test]
fn reused_addresses_are_another_connection() {
    let first = Wire::redirected().whole(&vec![client_says("one"), server_says("uno")]);
    let second = Wire { client_seq: 5_000_000, server_seq: 7_000_000, now_ns: first.now_ns, ..Wire::redirected() };
    let second = second.whole(&vec![client_says("two"), server_says("due")]);
    let flows = flows([first, second]);
    assert_eq!(flows.len(), 2);
    for (flow, sent) in flows.iter().zip(["one", "two"]) {
        assert!(flow.contains(sent));
        assert_eq!((flow.sent.packets, flow.opening), (4, Opening::Established));
    }
}

#[test]
fn a_refused_syn_and_its_retry_from_the_same_port_are_two_connections() {
    let mut first = Wire::redirected();
    first.syn();
    first.refuse();
    let mut second = Wire { client_seq: 5_000_000, now_ns: first.now_ns, ..Wire::redirected() };
    second.syn();
    second.refuse();
    let flows = flows([first, second]);
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.opening == Opening::Refused && flow.redirect.is_some()));
}

#[test]
fn a_syn_ack_captured_before_its_syn_is_joined() {
    let mut wire = Wire::redirected().whole(&http_talk());
    wire.packets.swap(0, 1);
    wire.restamp();
    let flow = wire.flow(&KeyLog::default());
    assert_eq!(flow.opening, Opening::Established);
    assert_eq!(flow.layers(), ["http/1.1"]);
}

#[test]
fn one_connection_on_two_interfaces_is_two_flows() {
    let mut wire = Wire::default().whole(&http_talk());
    let mut far = wire.packets.clone();
    for packet in &mut far {
        packet.interface = 1;
        packet.timestamp_ns += 10;
    }
    wire.packets.extend(far);
    let flows = wire.flows(&KeyLog::default());
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.layers() == ["http/1.1"]));
}
