use pretty_assertions::assert_eq;

use super::*;

fn pod(name: &str) -> PodSpec {
    PodSpec::new(name, Ipv4Addr::new(10, 244, 0, 2), "fd00:244::2".parse().unwrap())
}

#[test]
fn ethernet_addresses_follow_from_the_pods_address() {
    assert_eq!(pod("client").mac(), Mac([0x0a, 0x58, 10, 244, 0, 2]));
    let v6_only = PodSpec { v4: None, ..pod("client") };
    assert_eq!(v6_only.mac(), Mac([0x0a, 0x58, 0, 0, 0, 2]));
}
