use pretty_assertions::assert_eq;

use super::*;

/// An encoded attribute. Nested ones have NLA_F_NESTED set in their type.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len() as u16;
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value, &padding].concat()
}

fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | 0x8000, &attributes.concat())
}

fn tuple(kind: u16, [source, destination]: [SocketAddr; 2], protocol: u8) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (from, to) = if source.is_ipv4() { (1, 2) } else { (3, 4) };
    let ip = [attribute(from, &octets(source.ip())), attribute(to, &octets(destination.ip()))];
    let ports = [attribute(2, &source.port().to_be_bytes()), attribute(3, &destination.port().to_be_bytes())];
    nested(kind, &[nested(1, &ip), nested(2, &[vec![attribute(1, &[protocol])], ports.to_vec()].concat())])
}

fn message(subsystem: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let payload = [&[2, 0, 0, 0][..], &attributes.concat()].concat();
    let length = 16 + payload.len() as u32;
    [&length.to_ne_bytes()[..], &(subsystem << 8).to_ne_bytes(), &0x600_u16.to_ne_bytes(), &[0; 8], &payload].concat()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_redirected_connection_reached_another_port_than_it_dialled() {
    for (client, dialled, reached) in [
        ("10.244.0.2:40000", "10.244.0.3:8080", "10.244.0.3:15006"),
        ("[fd00:244::2]:40000", "[fd00:244::3]:8080", "[fd00:244::3]:15006"),
    ] {
        let [source, dialled, reached] = [client, dialled, reached].map(address);
        let tuples = [tuple(1, [source, dialled], 6), tuple(2, [reached, source], 6)];
        assert_eq!(tcp_connection(&message(1, &tuples)), Some(Tracked { source, dialled, reached }));
    }
}

#[test]
fn other_protocols_and_other_messages_are_no_connections() {
    let ends = [address("10.244.0.2:53"), address("10.244.0.3:53")];
    let udp = [tuple(1, ends, 17), tuple(2, ends, 17)];
    assert_eq!(tcp_connection(&message(1, &udp)), None);
    let of_another_subsystem = [tuple(1, ends, 6), tuple(2, ends, 6)];
    assert_eq!(tcp_connection(&message(3, &of_another_subsystem)), None);
}

#[test]
fn what_is_cut_off_is_no_connection() {
    let ends = [address("10.244.0.2:40000"), address("10.244.0.3:8080")];
    let whole = message(1, &[tuple(1, ends, 6), tuple(2, ends, 6)]);
    assert!(tcp_connection(&whole).is_some());
    for length in 0..whole.len() {
        let mut cut = whole[..length].to_vec();
        assert_eq!(tcp_connection(&cut), None, "{length} bytes");
        if let Some(claimed) = cut.first_chunk_mut() {
            *claimed = (length as u32).to_ne_bytes();
            // A truncated attribute is not read.
            assert_eq!(tcp_connection(&cut).filter(|read| read.reached != ends[0]), None, "{length} bytes");
        }
    }
}
