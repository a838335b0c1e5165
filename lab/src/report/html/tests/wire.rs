//! A connection on which a client speaks TLS and is answered in plaintext, as packets.

use etherparse::PacketBuilder;
use observe::{Capture, Flow, Interface, KeyLog, Packet};

/// The connection, from its SYN on. The ClientHello's SNI is `name`.
pub(super) fn tls_answered_in_plaintext(name: &str) -> Flow {
    let (client, server) = ([10, 244, 0, 2], [10, 244, 0, 4]);
    let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n".as_slice();
    let hello = client_hello(name);
    let end = 101 + u32::try_from(hello.len()).unwrap();
    let from_client =
        |seq| PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4(client, server, 64).tcp(40000, 8080, seq, 1000);
    let from_server =
        |seq| PacketBuilder::ethernet2([0; 6], [0; 6]).ipv4(server, client, 64).tcp(8080, 40000, seq, 1000);
    let steps = [
        (from_client(100).syn(), &[][..]),
        (from_server(200).syn().ack(101), &[]),
        (from_client(101).ack(201), &hello),
        (from_server(201).ack(end), answer),
        (from_server(201 + u32::try_from(answer.len()).unwrap()).ack(end).fin(), &[]),
    ];
    let packets = steps.into_iter().zip(1..).map(|((packet, payload), timestamp_ns)| {
        let mut data = Vec::new();
        packet.write(&mut data, payload).unwrap();
        Packet { interface: 0, timestamp_ns, data }
    });
    let interface = Interface { host: "client.default".into(), name: "eth0".into() };
    let capture = Capture { interfaces: vec![interface], packets: packets.collect(), secrets: String::new() };
    observe::observe(&capture, &KeyLog::default()).remove(0)
}

/// The least that is a ClientHello (RFC 8446, section 4.1.2).
fn client_hello(name: &str) -> Vec<u8> {
    let server_name = prefixed16(&[&[0], prefixed16(name.as_bytes()).as_slice()].concat());
    let extensions = prefixed16(&[&[0, 0], prefixed16(&server_name).as_slice()].concat());
    let body = [&[3, 3], [7; 32].as_slice(), &[0, 0, 2, 0x13, 1, 1, 0], &extensions].concat();
    let message = [&[1, 0], prefixed16(&body).as_slice()].concat();
    [&[0x16, 3, 1], prefixed16(&message).as_slice()].concat()
}

/// Bytes after their length in two bytes.
fn prefixed16(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}
