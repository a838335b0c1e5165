use http::HeaderValue;
use serde_json::{Value, json};

use super::*;

fn routes(configured: Value) -> Result<Routes, String> {
    Routes::new(&envoy_api::read_value(configured).unwrap())
}

/// Virtual hosts by name, each with one route of its name for everything.
fn hosts(hosts: &[(&str, &[&str])]) -> Value {
    let hosts = hosts.iter().map(|(name, domains)| {
        json!({"name": name, "domains": domains, "routes": [{"name": name, "match": {"prefix": "/"}, "route": {"cluster": name}}]})
    });
    json!({"name": "r", "virtual_hosts": hosts.collect::<Value>()})
}

fn found(routes: &Routes, authority: &str, path: &str, headers: &HeaderMap) -> Option<String> {
    routes.find(authority, path, headers).map(|route| route.name.to_string())
}

#[test]
fn the_most_specific_domain_wins() {
    let routes = routes(hosts(&[
        ("any", &["*"]),
        ("prefix", &["foo.*"]),
        ("suffix", &["*.example.com"]),
        ("longer-suffix", &["*.b.example.com", "*-x.b.example.com"]),
        ("exact", &["a.example.com", "a.example.com:80"]),
    ]))
    .unwrap();
    for (authority, name) in [
        ("a.example.com", "exact"),
        ("A.EXAMPLE.com", "exact"),
        ("a.example.com:80", "exact"),
        ("a.example.com:81", "any"),
        ("c.example.com", "suffix"),
        ("a.b.example.com", "longer-suffix"),
        ("foo.example.com", "suffix"),
        ("foo.bar", "prefix"),
        (".example.com", "any"),
        ("", "any"),
    ] {
        assert_eq!(found(&routes, authority, "/", &HeaderMap::new()).as_deref(), Some(name), "{authority}");
    }
}

#[test]
fn without_a_domain_for_all_a_host_may_have_no_route() {
    let routes = routes(hosts(&[("exact", &["a"])])).unwrap();
    assert_eq!(found(&routes, "b", "/", &HeaderMap::new()), None);
}

#[test]
fn ports_are_ignored_when_asked_for() {
    let mut configured = hosts(&[("exact", &["a", "[fd00::1]"])]);
    configured["ignore_port_in_host_matching"] = json!(true);
    let routes = routes(configured).unwrap();
    assert!(found(&routes, "a:8080", "/", &HeaderMap::new()).is_some());
    assert!(found(&routes, "[fd00::1]:8080", "/", &HeaderMap::new()).is_some());
}

#[test]
fn the_first_route_that_matches_wins() {
    let route = |name: &str, matcher: Value| json!({"name": name, "match": matcher, "route": {"cluster": "c"}});
    let canary = json!({"prefix": "/", "headers": [{"name": "x-version", "string_match": {"exact": "canary"}}]});
    let routes = routes(json!({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [
        route("exact", json!({"path": "/exact"})),
        route("canary", canary),
        route("prefix", json!({"prefix": "/pre"})),
    ]}]}))
    .unwrap();
    let none = HeaderMap::new();
    assert_eq!(found(&routes, "a", "/exact?with=query", &none).as_deref(), Some("exact"));
    assert_eq!(found(&routes, "a", "/exact/longer", &none), None);
    assert_eq!(found(&routes, "a", "/prefix", &none).as_deref(), Some("prefix"));
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-version"), HeaderValue::from_static("canary"))]);
    assert_eq!(found(&routes, "a", "/prefix", &headers).as_deref(), Some("canary"));
}

#[test]
fn faults_are_named_by_their_path() {
    let twice = routes(hosts(&[("one", &["a"]), ("two", &["b", "a"])])).unwrap_err();
    assert_eq!(twice, "virtual_hosts[1].domains[1]: a stands in two virtual hosts");
    let neither = json!({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [{"match": {"prefix": "/"}}]}]});
    let neither = routes(neither).unwrap_err();
    assert_eq!(neither, "virtual_hosts[0].routes[0].route: expected one of route and direct_response");
}

#[test]
fn a_port_is_not_part_of_an_ipv6_address() {
    assert_eq!(without_port("a:80"), "a");
    assert_eq!(without_port("a"), "a");
    assert_eq!(without_port("[fd00::1]:80"), "[fd00::1]");
    assert_eq!(without_port("[fd00::1]"), "[fd00::1]");
    assert_eq!(without_port("fd00::1"), "fd00::1");
}
