//! Expected values are Envoy 1.40's, as checked by `proxy/envoy-rules/tests/envoy_decides.rs`.

use super::*;

#[test]
fn everything_after_the_last_colon_is_cut_off_unless_it_contains_a_bracket() {
    for (authority, host) in [
        ("a", "a"),
        ("a:80", "a"),
        ("a:", "a"),
        ("a:b", "a"),
        ("[fd00::1]", "[fd00::1]"),
        ("[fd00::1]:80", "[fd00::1]"),
        ("::1", ":"),
        ("fd00::1", "fd00:"),
        ("", ""),
    ] {
        assert_eq!(without_port(authority), host, "{authority}");
    }
}

#[test]
fn for_the_sni_only_a_port_is_cut_off_and_addresses_are_recognized() {
    for (authority, host, port, is_ip) in [
        ("a.b", "a.b", None, false),
        ("a.b:80", "a.b", Some(80), false),
        ("a.b:99999", "a.b:99999", None, false),
        ("a:b", "a:b", None, false),
        ("a:", "a:", None, false),
        ("10.0.0.1:80", "10.0.0.1", Some(80), true),
        ("[::1]", "::1", None, true),
        ("[::1]:80", "::1", Some(80), true),
        ("fd00::", "fd00::", None, true),
        ("::1", ":", Some(1), false),
        ("fd00::1", "fd00:", Some(1), false),
        ("1.2.3", "1.2.3", None, false),
    ] {
        assert_eq!(Authority::parse(authority), Authority { host, port, is_ip }, "{authority}");
    }
    assert_eq!(Authority::parse("A.b:80").server_name(), Some("A.b"));
    assert_eq!(Authority::parse("[::1]:80").server_name(), None);
}
