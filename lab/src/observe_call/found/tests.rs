use etherparse::PacketBuilder;
use observe::{Capture, Flow, Interface, KeyLog, Packet};

use super::same_connection;

const CLIENT: [u8; 4] = [10, 244, 0, 2];
const SERVER: [u8; 4] = [10, 244, 0, 3];
const SERVICE: [u8; 4] = [10, 96, 0, 10];

/// A connection as one interface saw its SYN.
fn flow(port: u16, to: [u8; 4], sequence: u32) -> Flow {
    let mut data = Vec::new();
    let syn = PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4(CLIENT, to, 64).tcp(port, 8080, sequence, 1000).syn();
    syn.write(&mut data, &[]).unwrap();
    let interface = Interface { host: "client.default".into(), name: "eth0".into() };
    let packets = vec![Packet { interface: 0, timestamp_ns: 1, data }];
    observe::observe(&Capture { interfaces: vec![interface], packets, secrets: String::new() }, &KeyLog::default())
        .remove(0)
}

#[test]
fn a_connection_is_found_behind_a_service_and_behind_a_port_that_the_node_changed() {
    for (arrived, translated) in [(flow(40000, SERVER, 7), true), (flow(1024, SERVER, 7), true)] {
        assert!(same_connection(&flow(40000, SERVICE, 7), &arrived, translated));
    }
    assert!(same_connection(&flow(40000, SERVER, 7), &flow(1024, SERVER, 7), false));
}

#[test]
fn another_connection_from_the_same_port_is_another_one() {
    assert!(!same_connection(&flow(40000, SERVICE, 7), &flow(40000, SERVER, 8), true));
}

#[test]
fn without_its_start_a_connection_is_known_by_its_ends() {
    let begun = |to| Flow { initial_sequence: None, ..flow(40000, to, 7) };
    assert!(same_connection(&begun(SERVICE), &flow(40000, SERVER, 7), true));
    assert!(!same_connection(&begun(SERVICE), &flow(40000, SERVER, 7), false));
    assert!(!same_connection(&begun(SERVER), &flow(1024, SERVER, 7), false));
}
