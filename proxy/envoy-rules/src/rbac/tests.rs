use std::net::Ipv4Addr;

use envoy_api::read_value;
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;

const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/client";

/// What rules make of a GET for /a/b from a mesh client.
fn verdict(rules: Value, change: impl FnOnce(&mut Facts<'_>)) -> (bool, Option<String>) {
    let headers = HeaderMap::new();
    let uri_sans = [CLIENT.to_owned()];
    let mut facts = Facts {
        destination: "10.0.0.1:8080".parse().unwrap(),
        peer_address: Ipv4Addr::new(10, 0, 0, 2).into(),
        client_address: Ipv4Addr::new(192, 0, 2, 1).into(),
        peer: Some(Peer { uri_sans: &uri_sans, ..Peer::default() }),
        server_name: "server.test",
        request: Some(RequestHead {
            authority: "server",
            path: "/a/b?q",
            method: "GET",
            scheme: "http",
            headers: &headers,
        }),
    };
    // The caller's change can't borrow what lives here.
    let facts: &mut Facts<'_> = &mut facts;
    change(facts);
    let rules: Rbac = read_value(rules).unwrap();
    let rules = Rules::new(&rules).unwrap();
    let verdict = rules.evaluate(facts);
    (verdict.allowed, verdict.policy.map(Into::into))
}

fn one(permission: &Value, principal: &Value) -> Value {
    json!({"policies": {"p": {"permissions": [permission], "principals": [principal]}}})
}

fn permitted(permission: &Value) -> bool {
    verdict(one(permission, &json!({"any": true})), |_| {}).0
}

fn accepted(principal: &Value) -> bool {
    verdict(one(&json!({"any": true}), principal), |_| {}).0
}

#[test]
fn the_action_decides_what_a_match_means() {
    let any = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    let never = json!({"permissions": [{"not_rule": {"any": true}}], "principals": [{"not_id": {"any": true}}]});
    let b = Some("b".to_owned());
    for (action, policies, expected) in [
        ("ALLOW", json!({"b": any, "a": never}), (true, b.clone())),
        ("ALLOW", json!({"a": never}), (false, None)),
        ("ALLOW", json!({}), (false, None)),
        ("DENY", json!({"b": any}), (false, b.clone())),
        ("DENY", json!({"a": never}), (true, None)),
        ("LOG", json!({"b": any}), (true, b)),
        ("LOG", json!({}), (true, None)),
    ] {
        assert_eq!(verdict(json!({"action": action, "policies": policies}), |_| {}), expected, "{action} {policies}");
    }
}

#[test]
fn the_first_policy_by_name_is_the_one_that_matched() {
    let any = json!({"permissions": [{"any": true}], "principals": [{"any": true}]});
    let both = json!({"action": "DENY", "policies": {"ns[b]": any, "ns[a]": any}});
    assert_eq!(verdict(both, |_| {}), (false, Some("ns[a]".into())));
}

#[test]
fn permissions_match_connection_and_request() {
    for (permission, expected) in [
        (json!({"destination_port": 8080}), true),
        (json!({"destination_port": 80}), false),
        (json!({"destination_port_range": {"start": 8000, "end": 8080}}), false),
        (json!({"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 24}}), true),
        (json!({"destination_ip": {"address_prefix": "fd00::", "prefix_len": 8}}), false),
        (json!({"requested_server_name": {"suffix": ".test"}}), true),
        (json!({"url_path": {"path": {"exact": "/a/b"}}}), true),
        (json!({"url_path": {"path": {"exact": "/a/b?q"}}}), false),
        (json!({"url_path": {"path": {"safe_regex": {"regex": ".+"}}}}), true),
        (json!({"header": {"name": ":method", "string_match": {"exact": "GET"}}}), true),
        (json!({"header": {"name": "x-absent", "present_match": true}}), false),
        (json!({"and_rules": {"rules": [{"any": true}, {"not_rule": {"destination_port": 80}}]}}), true),
        (json!({"or_rules": {"rules": [{"destination_port": 80}, {"destination_port": 81}]}}), false),
        (
            json!({"metadata": {"filter": "f", "path": [{"key": "k"}], "value": {"string_match": {"safe_regex": {"regex": ".*"}}}}}),
            false,
        ),
        (
            json!({"uri_template": {"name": "t", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "path_template": "/a/*"}}}),
            true,
        ),
    ] {
        assert_eq!(permitted(&permission), expected, "{permission}");
    }
}

#[test]
fn principals_match_the_peer_and_the_client() {
    for (principal, expected) in [
        (json!({"authenticated": {"principal_name": {"exact": CLIENT}}}), true),
        (json!({"authenticated": {"principal_name": {"safe_regex": {"regex": ".*/ns/default/.*"}}}}), true),
        (json!({"authenticated": {"principal_name": {"safe_regex": {"regex": "/ns/default/"}}}}), false),
        (json!({"authenticated": {}}), true),
        (json!({"direct_remote_ip": {"address_prefix": "10.0.0.2", "prefix_len": 32}}), true),
        (json!({"remote_ip": {"address_prefix": "10.0.0.2", "prefix_len": 32}}), false),
        (json!({"remote_ip": {"address_prefix": "192.0.2.0", "prefix_len": 24}}), true),
        (json!({"and_ids": {"ids": [{"any": true}, {"not_id": {"any": true}}]}}), false),
    ] {
        assert_eq!(accepted(&principal), expected, "{principal}");
    }
}

#[test]
fn a_peer_without_tls_has_no_name() {
    let without_tls = |principal| verdict(one(&json!({"any": true}), &principal), |facts| facts.peer = None).0;
    assert!(!without_tls(json!({"authenticated": {"principal_name": {"safe_regex": {"regex": ".*"}}}})));
    assert!(!without_tls(json!({"authenticated": {}})));
    assert!(
        without_tls(json!({"not_id": {"authenticated": {"principal_name": {"exact": CLIENT}}}})),
        "so it is not it"
    );
}

#[test]
fn a_peer_without_a_certificate_has_an_empty_name() {
    let nameless =
        |principal| verdict(one(&json!({"any": true}), &principal), |facts| facts.peer = Some(Peer::default())).0;
    assert!(!nameless(json!({"authenticated": {"principal_name": {"safe_regex": {"regex": ".+"}}}})));
    assert!(nameless(json!({"authenticated": {}})));
}

#[test]
fn a_connection_has_no_request() {
    let connection = |permission| verdict(one(&permission, &json!({"any": true})), |facts| facts.request = None).0;
    assert!(!connection(json!({"url_path": {"path": {"safe_regex": {"regex": ".*"}}}})));
    assert!(!connection(json!({"header": {"name": "x", "present_match": false}})));
    assert!(connection(json!({"destination_port": 8080})));
}

#[test]
fn a_denial_names_the_policy_without_spaces() {
    let denied = |policy| Verdict { allowed: false, policy }.details();
    assert_eq!(denied(None), "rbac_access_denied_matched_policy[none]");
    assert_eq!(denied(Some("ns[a b]-rule[0]")), "rbac_access_denied_matched_policy[ns[a_b]-rule[0]]");
}
