use std::net::{Ipv4Addr, Ipv6Addr};

use pretty_assertions::assert_eq;

use super::*;

fn fault(kind: FaultKind, port: Option<u16>) -> FaultSpec {
    let pod = |name: &str, last| {
        PodSpec::new(name, Ipv4Addr::new(10, 244, 0, last), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()))
    };
    FaultSpec { pods: [pod("a", 2), pod("b", 3)], port, kind }
}

#[test]
fn a_partition_drops_everything_in_both_directions() {
    let partition = fault(FaultKind::Drop { percent: 100 }, None);
    let expected = "-A FORWARD -s 10.244.0.2 -d 10.244.0.3 -j DROP\n-A FORWARD -s 10.244.0.3 -d 10.244.0.2 -j DROP\n";
    assert_eq!(rules(std::slice::from_ref(&partition), Family::V4), expected);
    assert!(rules(&[partition], Family::V6).starts_with("-A FORWARD -s fd00::2 -d fd00::3 -j DROP\n"));
}

#[test]
fn a_fault_of_a_port_concerns_packets_to_it_and_from_it() {
    let text = rules(&[fault(FaultKind::Reset, Some(8080))], Family::V4);
    assert_eq!(text.matches("-p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset").count(), 2, "{text}");
    assert_eq!(text.matches("-p tcp -m tcp --sport 8080 -j REJECT --reject-with tcp-reset").count(), 2, "{text}");
}

#[test]
fn a_reset_concerns_only_tcp() {
    let text = rules(&[fault(FaultKind::Reset, None)], Family::V4);
    assert_eq!(text.matches(" -p tcp -j REJECT").count(), 2, "{text}");
}

#[test]
fn a_throttle_limits_each_direction_separately_and_lets_large_packets_pass() {
    let text = rules(&[fault(FaultKind::Throttle { rate: 1000 }, Some(80))], Family::V4);
    let of = |direction: &str| {
        let limit = "--hashlimit-above 1000b/s --hashlimit-burst 131072b";
        text.matches(&format!("{limit} --hashlimit-name 0-{direction}-1000 -j DROP")).count()
    };
    assert_eq!((of("there"), of("back")), (2, 2), "{text}");
}
