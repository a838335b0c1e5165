use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    ChainTable, Match,
    Stage::{self, ApplicationProtocol, DestinationAddress, DestinationPort, ServerName, Source, TransportProtocol},
    Transport,
    testing::{Incoming, chain, from, listener, none, raw, sni, table, tls, to},
};

mod istio_inbound;

/// Checks the result for each connection.
#[track_caller]
fn check(matches: &[Value], rows: &[(Incoming, Match)]) {
    let table = table(matches);
    for (index, (connection, expected)) in rows.iter().enumerate() {
        assert_eq!(connection.meets(&table), *expected, "row {index}");
    }
}

#[test]
fn a_chain_without_a_match_accepts_everything() {
    check(
        &[Value::Null],
        &[(raw(&[]), chain(0)), (tls(&["h2"]), chain(0)), (sni("a.b"), chain(0)), (to("[::1]:1"), chain(0))],
    );
}

#[test]
fn a_listener_without_chains_accepts_nothing() {
    check(&[], &[(raw(&[]), none(DestinationPort))]);
}

#[test]
fn a_specific_port_takes_precedence_over_any_port() {
    check(
        &[json!({}), json!({"destination_port": 8080})],
        &[(to("10.0.0.1:8080"), chain(1)), (to("10.0.0.1:8081"), chain(0)), (to("[fd00::1]:8080"), chain(1))],
    );
}

#[test]
fn a_specific_port_never_falls_back_to_the_chains_for_any_port() {
    check(
        &[json!({}), json!({"destination_port": 9443, "transport_protocol": "tls"})],
        &[(to("10.0.0.1:9443"), none(TransportProtocol)), (to("10.0.0.1:9444"), chain(0))],
    );
}

#[test]
fn without_a_chain_for_the_port_or_any_port_the_port_is_reported() {
    check(&[json!({"destination_port": 1})], &[(to("10.0.0.1:2"), none(DestinationPort))]);
}

#[test]
fn the_longest_destination_prefix_wins_in_any_order() {
    let net = |address: &str, length: u8| json!({"prefix_ranges": [{"address_prefix": address, "prefix_len": length}]});
    check(
        &[net("10.0.0.0", 8), net("10.1.2.3", 32), json!({}), net("10.1.0.0", 16), net("fd00::", 8)],
        &[
            (to("10.1.2.3:80"), chain(1)),
            (to("10.1.2.4:80"), chain(3)),
            (to("10.2.2.4:80"), chain(0)),
            (to("11.2.2.4:80"), chain(2)),
            (to("[fd00::1]:80"), chain(4)),
            (to("[fe00::1]:80"), chain(2)),
        ],
    );
}

#[test]
fn host_bits_of_a_prefix_are_ignored() {
    check(
        &[json!({"prefix_ranges": [{"address_prefix": "10.1.2.3", "prefix_len": 16}]})],
        &[(to("10.1.9.9:80"), chain(0)), (to("10.2.0.1:80"), none(DestinationAddress))],
    );
}

#[test]
fn a_longer_prefix_never_falls_back_to_a_shorter_one() {
    check(
        &[
            json!({"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}),
            json!({"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}], "server_names": ["a.test"]}),
        ],
        &[(to("10.1.0.1:80"), none(ServerName)), (to("10.2.0.1:80"), chain(0))],
    );
}

#[test]
fn a_server_name_matches_exactly_then_by_longest_wildcard_then_by_none() {
    check(
        &[
            json!({"server_names": ["www.example.com"]}),
            json!({"server_names": ["*.example.com"]}),
            json!({"server_names": ["*.com", "*.v2.www.example.com"]}),
            json!({}),
        ],
        &[
            (sni("www.example.com"), chain(0)),
            (sni("api.example.com"), chain(1)),
            (sni("v1.api.example.com"), chain(1)),
            (sni("x.v2.www.example.com"), chain(2)),
            (sni("v2.www.example.com"), chain(1)),
            (sni("example.com"), chain(2)),
            (sni("com"), chain(3)),
            (sni("example.org"), chain(3)),
            (sni(""), chain(3)),
            (raw(&[]), chain(3)),
        ],
    );
}

#[test]
fn a_wildcard_stands_for_at_least_one_label() {
    check(
        &[json!({"server_names": ["*.example.com"]})],
        &[
            (sni("example.com"), none(ServerName)),
            (sni(".example.com"), chain(0)), // Envoy looks it up as it is first, and that is how it keeps the wildcard
            (sni("notexample.com"), none(ServerName)),
            (sni("a.example.com"), chain(0)),
            (sni("a.example.com."), none(ServerName)),
        ],
    );
}

#[test]
fn the_case_of_a_configured_server_name_is_ignored() {
    check(&[json!({"server_names": ["WWW.Example.COM"]})], &[(sni("www.example.com"), chain(0))]);
}

#[test]
fn a_server_name_branch_does_not_backtrack() {
    check(
        &[
            json!({"server_names": ["a.test"], "application_protocols": ["h2"]}),
            json!({"server_names": ["*.test"]}),
            json!({}),
        ],
        &[(sni("a.test"), none(ApplicationProtocol)), (sni("b.test"), chain(1)), (sni("c"), chain(2))],
    );
}

#[test]
fn a_transport_protocol_takes_precedence_over_any_and_never_falls_back() {
    check(
        &[
            json!({"transport_protocol": "tls", "application_protocols": ["h2"]}),
            json!({}),
            json!({"destination_port": 1, "transport_protocol": "raw_buffer"}),
        ],
        &[
            (raw(&[]), chain(1)),
            (tls(&["h2"]), chain(0)),
            (tls(&["http/1.1"]), none(ApplicationProtocol)),
            (Incoming { transport: Transport::Tls, ..to("10.0.0.1:1") }, none(TransportProtocol)),
        ],
    );
}

#[test]
fn an_unknown_transport_protocol_matches_nothing() {
    check(&[json!({"transport_protocol": "quic"})], &[(tls(&[]), none(TransportProtocol))]);
}

#[test]
fn the_clients_first_protocol_that_any_chain_has_wins() {
    check(
        &[json!({"application_protocols": ["h2"]}), json!({"application_protocols": ["http/1.1", "istio"]}), json!({})],
        &[
            (tls(&["h2", "http/1.1"]), chain(0)),
            (tls(&["http/1.1", "h2"]), chain(1)),
            (tls(&["other", "istio", "h2"]), chain(1)),
            (tls(&["other"]), chain(2)),
            (tls(&[]), chain(2)),
        ],
    );
}

#[test]
fn a_protocol_branch_does_not_try_the_clients_next_protocol() {
    check(
        &[
            json!({"application_protocols": ["h2"], "source_ports": [1]}),
            json!({"application_protocols": ["http/1.1"]}),
        ],
        &[(tls(&["h2", "http/1.1"]), none(Source)), (tls(&["http/1.1", "h2"]), chain(1))],
    );
}

#[test]
fn a_peer_on_this_host_is_local() {
    check(
        &[json!({"source_type": "SAME_IP_OR_LOOPBACK"}), json!({"source_type": "EXTERNAL"}), json!({})],
        &[
            (from("127.0.0.1:1"), chain(0)),
            (from("10.244.0.3:1"), chain(0)),
            (from("10.244.0.9:1"), chain(1)),
            // Envoy only compares with 127.0.0.1.
            (from("127.0.0.6:1"), chain(1)),
            (Incoming { source: "[::1]:1", ..to("[fd00::1]:80") }, chain(0)),
        ],
    );
}

#[test]
fn without_chains_for_the_peers_source_type_those_for_any_type_match() {
    check(
        &[json!({"source_type": "SAME_IP_OR_LOOPBACK"}), json!({"source_type": "ANY"})],
        &[(from("127.0.0.1:1"), chain(0)), (from("10.244.0.9:1"), chain(1))],
    );
}

#[test]
fn a_source_type_never_falls_back_to_any_type() {
    check(
        &[json!({"source_type": "SAME_IP_OR_LOOPBACK", "source_ports": [7]}), json!({})],
        &[(from("127.0.0.1:7"), chain(0)), (from("127.0.0.1:8"), none(Source)), (from("10.244.0.9:8"), chain(1))],
    );
}

#[test]
fn the_longest_source_prefix_wins_before_the_source_port() {
    let peer = |length: u8, ports: Value| json!({"source_prefix_ranges": [{"address_prefix": "10.244.0.0", "prefix_len": length}], "source_ports": ports});
    check(
        &[peer(16, json!([])), peer(24, json!([7])), json!({})],
        &[
            (from("10.244.0.9:7"), chain(1)),
            (from("10.244.0.9:8"), none(Source)),
            (from("10.244.1.9:7"), chain(0)),
            (from("10.245.1.9:7"), chain(2)),
            (from("[fd00::1]:7"), chain(2)),
        ],
    );
}

#[test]
fn the_default_chain_accepts_what_no_other_does() {
    let mut listener = listener(&[json!({"destination_port": 1, "transport_protocol": "tls"}), json!({})]);
    listener.filter_chains.pop();
    listener.default_filter_chain = Some(Box::new(listener.filter_chains[0].clone()));
    let table = ChainTable::new(&listener).expect("a table");

    assert_eq!(to("10.0.0.1:1").meets(&table), Match::Default);
    assert_eq!(to("10.0.0.1:2").meets(&table), Match::Default);
    assert_eq!(Incoming { transport: Transport::Tls, ..to("10.0.0.1:1") }.meets(&table), chain(0));
}

#[test]
fn criteria_are_named_in_the_order_in_which_they_are_compared() {
    let stages = [DestinationPort, DestinationAddress, ServerName, TransportProtocol, ApplicationProtocol, Source];
    assert!(stages.is_sorted());
    assert_eq!(
        stages.map(|stage: Stage| stage.to_string()).join(", "),
        "destination port, destination address, server name, transport protocol, application protocol, source"
    );
}
