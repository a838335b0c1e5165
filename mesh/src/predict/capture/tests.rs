use ipnet::IpNet;
use pretty_assertions::assert_eq;

use super::*;
use crate::model::{InterceptionMode, PortSet};

/// A connection, as rules look at it.
#[derive(Clone, Copy, Debug)]
struct Packet {
    opener: Opener,
    source: Option<IpAddr>,
    destination: SocketAddr,
    on_lo: bool,
}

/// Where the rules that `redirect` writes send a connection that comes to a chain: an independent reading of the same text.
fn walk(rules: &str, chain: &str, packet: Packet) -> Option<Option<u16>> {
    let of_chain = rules.lines().filter_map(|line| line.strip_prefix("-A ")?.strip_prefix(chain)?.strip_prefix(' '));
    for rule in of_chain {
        let words: Vec<&str> = rule.split_whitespace().collect();
        if !matches_all(&words, packet) {
            continue;
        }
        let after = |option: &str| words.iter().position(|word| *word == option).map(|at| words[at + 1]);
        match after("-j").expect("every rule has a target") {
            "RETURN" => return None,
            "REDIRECT" => return Some(after("--to-ports").map(|port| port.parse().expect("a port"))),
            chain => {
                if let Some(found) = walk(rules, chain, packet) {
                    return Some(found);
                }
            }
        }
    }
    None
}

fn matches_all(words: &[&str], packet: Packet) -> bool {
    let interface = if packet.on_lo { "lo" } else { "eth0" };
    let is_sidecar = packet.opener == Opener::Sidecar;
    let within = |ip: Option<IpAddr>, network: &str| {
        ip.is_some_and(|ip| network.parse::<IpNet>().expect("a network").contains(&ip))
    };
    words.iter().enumerate().all(|(at, word)| {
        let value = || words[at + 1];
        let matched = match *word {
            "-p" => value() == "tcp",
            "--dport" => value() == packet.destination.port().to_string(),
            "-d" => within(Some(packet.destination.ip()), value()),
            "-s" => within(packet.source, value()),
            "-o" | "-i" => value() == interface,
            "--uid-owner" | "--gid-owner" => is_sidecar,
            _ => return true,
        };
        let negated = at > 0 && words[at - 1] == "!";
        matched != negated
    })
}

fn injected() -> Capture {
    Capture::default()
}

fn ranges(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

fn captures() -> Vec<Capture> {
    vec![
        injected(),
        Capture { mode: InterceptionMode::None, ..injected() },
        Capture { include_inbound_ports: PortSet::List(vec![8080]), ..injected() },
        Capture { include_inbound_ports: PortSet::List(vec![]), ..injected() },
        Capture { exclude_inbound_ports: vec![8080, 15020], ..injected() },
        Capture { exclude_outbound_ports: vec![8080], ..injected() },
        Capture { exclude_outbound_ip_ranges: ranges(&["10.96.0.0/16", "fd00:96::/112"]), ..injected() },
        Capture { include_outbound_ip_ranges: Some(ranges(&["10.96.0.0/16", "fd00:96::/112"])), ..injected() },
        Capture { include_outbound_ip_ranges: Some(vec![]), ..injected() },
        Capture { include_outbound_ip_ranges: Some(vec![]), include_outbound_ports: vec![8080], ..injected() },
        Capture { include_outbound_ip_ranges: Some(ranges(&["127.0.0.0/8"])), ..injected() },
        Capture { ipv4_loopback: "127.0.0.0/8".parse().expect("a network"), ..injected() },
        Capture { exclude_interfaces: vec!["eth0".into()], ..injected() },
    ]
}

/// Connections from a pod at 10.244.0.2 and fd00:244::2.
fn outgoing() -> Vec<Packet> {
    let mut packets = vec![];
    for (own, passthrough, loopback, others) in [
        ("10.244.0.2", "127.0.0.6", "127.0.0.1", ["10.96.0.10", "10.244.0.3", "1.2.3.4"]),
        ("fd00:244::2", "::6", "::1", ["fd00:96::a", "fd00:244::3", "2001:db8::1"]),
    ] {
        for destination in [own, loopback].into_iter().chain(others) {
            for (opener, source) in [
                (Opener::App, None),
                (Opener::Sidecar, None),
                (Opener::Sidecar, Some(passthrough.parse().expect("an address"))),
            ] {
                for port in [8080, 9000, 15008, 15020] {
                    let ip: IpAddr = destination.parse().expect("an address");
                    let on_lo = [own, loopback].contains(&destination);
                    packets.push(Packet { opener, source, destination: (ip, port).into(), on_lo });
                }
            }
        }
    }
    packets
}

#[test]
fn outbound_verdicts_are_those_of_the_written_rules() {
    for capture in captures() {
        for packet in outgoing() {
            let family = Family::of(packet.destination.ip());
            let rules = Rules::new(&capture, ProxyIdentity::ISTIO, family).to_string();
            let written = walk(&rules, "OUTPUT", packet).flatten();
            let read = outbound(&capture, packet.opener, packet.source, packet.destination, packet.on_lo);
            assert_eq!(read.redirected_to, written, "{packet:?}\n{capture:?}\n{rules}");
        }
    }
}

#[test]
fn inbound_verdicts_are_those_of_the_written_rules() {
    for capture in captures() {
        for port in [8080, 9000, 15006, 15008, 15020, 15021, 15090] {
            for destination in ["10.244.0.2", "fd00:244::2"] {
                let ip: IpAddr = destination.parse().expect("an address");
                let packet = Packet { opener: Opener::App, source: None, destination: (ip, port).into(), on_lo: false };
                let rules = Rules::new(&capture, ProxyIdentity::ISTIO, Family::of(ip)).to_string();
                let written = walk(&rules, "PREROUTING", packet).flatten();
                assert_eq!(inbound(&capture, packet.destination).redirected_to, written, "{packet:?}\n{capture:?}\n{rules}");
            }
        }
    }
}

#[test]
fn an_annotation_that_decided_is_named() {
    let capture = Capture { exclude_outbound_ports: vec![8080], ..injected() };
    let verdict = outbound(&capture, Opener::App, None, "10.96.0.10:8080".parse().unwrap(), false);
    assert_eq!(
        (verdict.redirected_to, verdict.why.annotation),
        (None, Some("traffic.sidecar.istio.io/excludeOutboundPorts"))
    );
}
