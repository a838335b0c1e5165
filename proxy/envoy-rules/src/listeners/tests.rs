use envoy_api::Listener;
use serde_json::json;

use super::ListenerTable;

fn listening(addresses: &[(&str, u16)]) -> Listener {
    let address = |&(address, port): &(&str, u16)| json!({"socket_address": {"address": address, "port_value": port}});
    let more: Vec<_> = addresses[1..].iter().map(|more| json!({"address": address(more)})).collect();
    envoy_api::read_value(
        json!({"name": "under-test", "address": address(&addresses[0]), "additional_addresses": more, "filter_chains": []}),
    )
    .expect("a listener")
}

fn table() -> ListenerTable {
    ListenerTable::new(&[
        listening(&[("0.0.0.0", 15001), ("::", 15001)]),
        listening(&[("0.0.0.0", 8080), ("::", 8080)]),
        listening(&[("10.96.0.10", 8080)]),
        listening(&[("0.0.0.0", 9000)]),
        listening(&[("10.96.0.11", 9001), ("fd00:96::b", 9001)]),
    ])
}

#[test]
fn a_listener_with_the_address_takes_precedence_over_one_with_the_port() {
    assert_eq!(table().find("10.96.0.10:8080".parse().unwrap()), Some(2));
    assert_eq!(table().find("10.96.0.99:8080".parse().unwrap()), Some(1));
}

#[test]
fn a_listener_on_all_addresses_of_one_ip_version_does_not_accept_the_other() {
    assert_eq!(table().find("10.96.0.10:9000".parse().unwrap()), Some(3));
    assert_eq!(table().find("[fd00::1]:9000".parse().unwrap()), None);
}

#[test]
fn additional_addresses_count() {
    assert_eq!(table().find("[fd00::1]:8080".parse().unwrap()), Some(1));
    assert_eq!(table().find("[fd00:96::b]:9001".parse().unwrap()), Some(4));
}

#[test]
fn without_a_matching_listener_a_connection_stays() {
    assert_eq!(table().find("10.96.0.10:9001".parse().unwrap()), None);
    assert_eq!(table().find("1.2.3.4:443".parse().unwrap()), None);
}

#[test]
fn a_connection_to_the_redirects_own_port_finds_the_redirects_listener() {
    assert_eq!(table().find("10.244.0.2:15001".parse().unwrap()), Some(0));
}
