use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{ChainTable, testing::listener};

/// The error for a listener whose chains have these matches.
fn fault(matches: &[Value]) -> String {
    ChainTable::new(&listener(matches)).expect_err("an error").to_string()
}

#[test]
fn two_chains_with_the_same_match_are_refused() {
    let matcher = json!({"destination_port": 8080, "application_protocols": ["h2", "istio"]});
    assert_eq!(
        fault(&[matcher.clone(), matcher]),
        r#"filter_chains[1].filter_chain_match ("chain-1") has the same filter_chain_match as filter chain "chain-0": make one of them narrower"#
    );
}

#[test]
fn no_match_and_an_empty_match_are_the_same() {
    assert!(fault(&[Value::Null, json!({})]).contains("the same filter_chain_match"));
}

#[test]
fn chains_that_share_one_value_of_a_list_overlap() {
    for (one, other) in [
        (json!({"application_protocols": ["h2", "istio"]}), json!({"application_protocols": ["http/1.1", "h2"]})),
        (json!({"server_names": ["a.test", "b.test"]}), json!({"server_names": ["B.test"]})),
        (json!({"source_ports": [1, 2]}), json!({"source_ports": [2]})),
        (json!({"destination_port": 0}), json!({})),
        (
            json!({"prefix_ranges": [{"address_prefix": "10.0.0.1", "prefix_len": 8}]}),
            json!({"prefix_ranges": [{"address_prefix": "10.0.0.2", "prefix_len": 8}]}),
        ),
        (json!({"source_type": "ANY"}), json!({})),
    ] {
        let said = fault(&[one, other]);
        assert!(said.contains("matches connections that filter chain \"chain-0\" also matches"), "{said}");
    }
}

#[test]
fn chains_that_differ_in_one_criterion_are_accepted() {
    let matches = [
        json!({}),
        json!({"destination_port": 1}),
        json!({"prefix_ranges": [{"address_prefix": "0.0.0.0", "prefix_len": 0}]}),
        json!({"server_names": ["a.test"]}),
        json!({"transport_protocol": "tls"}),
        json!({"application_protocols": ["h2"]}),
        json!({"source_type": "EXTERNAL"}),
        json!({"source_prefix_ranges": [{"address_prefix": "::", "prefix_len": 0}]}),
        json!({"source_ports": [1]}),
    ];
    assert!(ChainTable::new(&listener(&matches)).is_ok());
}

#[test]
fn a_wildcard_inside_a_server_name_is_refused() {
    for name in ["a.*.test", "*a.test", "*", "a.*"] {
        let said = fault(&[json!({"server_names": ["ok.test", name]})]);
        assert!(said.starts_with("filter_chains[0].filter_chain_match.server_names[1]: "), "{said}");
        assert!(said.ends_with("a wildcard must be the whole first label, such as \"*.example.com\""), "{said}");
    }
}

#[test]
fn a_prefix_longer_than_its_address_is_refused() {
    assert_eq!(
        fault(&[json!({"source_prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 33}]})]),
        "filter_chains[0].filter_chain_match.source_prefix_ranges[0]: prefix_len 33 is longer than the address 10.0.0.0 has bits"
    );
}
