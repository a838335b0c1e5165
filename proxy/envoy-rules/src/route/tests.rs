use http::{HeaderMap, HeaderName, HeaderValue};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

/// A table with its configuration, for the names of routes.
struct Routes(RouteTable, RouteConfiguration);

fn routes(configured: Value) -> Result<Routes, RouteError> {
    let configured = envoy_api::read_value(configured).expect("a route configuration");
    Ok(Routes(RouteTable::new(&configured)?, configured))
}

/// Virtual hosts by name, each with one route of the same name for all paths.
fn hosts(hosts: &[(&str, &[&str])]) -> Value {
    let hosts = hosts.iter().map(|(name, domains)| {
        json!({"name": name, "domains": domains, "routes": [{"name": name, "match": {"prefix": "/"}, "route": {"cluster": name}}]})
    });
    json!({"name": "r", "virtual_hosts": hosts.collect::<Value>()})
}

/// One virtual host with routes of these names and matches.
fn matching(matches: &[(&str, Value)]) -> Routes {
    let route = |(name, matcher): &(&str, Value)| json!({"name": name, "match": matcher, "route": {"cluster": "c"}});
    let all: Vec<_> = matches.iter().map(route).collect();
    routes(json!({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": all}]})).unwrap()
}

impl Routes {
    fn found(&self, authority: &str, path: &str, headers: &[(&'static str, &'static str)]) -> Option<&str> {
        let headers =
            headers.iter().map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = headers.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        });
        let found = self.0.find(&RequestHead { authority, path, method: "GET", scheme: "http", headers: &headers })?;
        Some(&self.1.virtual_hosts[found.virtual_host].routes[found.route].name)
    }
}

#[test]
fn the_most_specific_domain_wins() {
    let routes = routes(hosts(&[
        ("any", &["*"]),
        ("prefix", &["foo.*", "www.*"]),
        ("longer-prefix", &["www.example.*"]),
        ("suffix", &["*.example.com"]),
        ("longer-suffix", &["*.b.example.com", "*-x.b.example.com"]),
        ("exact", &["a.example.com", "A.example.com:80"]),
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
        ("www.example.org", "longer-prefix"),
        ("www.", "any"),
        (".example.com", "any"),
        ("", "any"),
    ] {
        assert_eq!(routes.found(authority, "/", &[]), Some(name), "{authority}");
    }
}

#[test]
fn without_a_wildcard_domain_a_request_may_have_no_route() {
    let routes = routes(hosts(&[("exact", &["a"])])).unwrap();
    assert_eq!((routes.found("b", "/", &[]), routes.found("a:80", "/", &[])), (None, None));
}

#[test]
fn ports_are_ignored_if_configured() {
    let mut configured = hosts(&[("exact", &["a", "[fd00::1]"]), ("colon", &[":"])]);
    configured["ignore_port_in_host_matching"] = json!(true);
    let routes = routes(configured).unwrap();
    for (authority, name) in
        [("a:8080", "exact"), ("[fd00::1]:8080", "exact"), ("[fd00::1]", "exact"), ("::1", "colon")]
    {
        assert_eq!(routes.found(authority, "/", &[]), Some(name), "{authority}");
    }
}

#[test]
fn the_first_matching_route_counts() {
    let routes = matching(&[
        ("exact", json!({"path": "/exact"})),
        ("canary", json!({"prefix": "/", "headers": [{"name": "x-version", "string_match": {"exact": "canary"}}]})),
        ("prefix", json!({"prefix": "/pre"})),
    ]);
    assert_eq!(routes.found("a", "/exact", &[]), Some("exact"));
    assert_eq!(routes.found("a", "/exact/longer", &[]), None);
    assert_eq!(routes.found("a", "/prefix", &[]), Some("prefix"));
    assert_eq!(routes.found("a", "/prefix", &[("x-version", "canary")]), Some("canary"));
}

#[test]
fn the_query_is_not_part_of_the_path() {
    let routes = matching(&[("query", json!({"prefix": "/a?b"})), ("exact", json!({"path": "/a"}))]);
    for path in ["/a?b", "/a?bc", "/a#b"] {
        assert_eq!(routes.found("a", path, &[]), Some("exact"), "{path}");
    }
}

#[test]
fn each_value_of_a_header_is_compared_separately() {
    let value = |exact: &str| json!({"prefix": "/", "headers": [{"name": "x", "string_match": {"exact": exact}}]});
    let routes = matching(&[("both", value("a,b")), ("second", value("b")), ("none", json!({"prefix": "/"}))]);
    assert_eq!(routes.found("h", "/", &[("x", "a"), ("x", "b")]), Some("second"));
    assert_eq!(routes.found("h", "/", &[("x", "a,b")]), Some("both"));
    assert_eq!(routes.found("h", "/", &[]), Some("none"));
}

#[test]
fn pseudo_headers_can_be_matched() {
    let on =
        |name: &str, exact: &str| json!({"prefix": "/", "headers": [{"name": name, "string_match": {"exact": exact}}]});
    let routes = matching(&[
        ("authority", on(":authority", "one:80")),
        ("host", on("Host", "two")),
        ("path", on(":path", "/x?q")),
        ("post", on(":method", "POST")),
        ("get", on(":method", "GET")),
    ]);
    for (authority, path, name) in
        [("one:80", "/", "authority"), ("two", "/", "host"), ("a", "/x?q", "path"), ("a", "/", "get")]
    {
        assert_eq!(routes.found(authority, path, &[]), Some(name));
    }
}

#[test]
fn errors_name_their_path() {
    for domain in ["a", "A", "*.x", "x.*", "*"] {
        let twice = routes(hosts(&[("one", &["a", "*.x", "x.*", "*"]), ("two", &["b", domain])])).err().unwrap();
        let name = domain.to_ascii_lowercase();
        assert_eq!(twice.to_string(), format!("virtual_hosts[1].domains[1]: {name} is in two virtual hosts"));
    }
    let one = |matcher: Value| {
        let routes = json!([{"match": matcher, "route": {"cluster": "c"}}]);
        let configured = json!({"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": routes}]});
        self::routes(configured).err().expect("a fault").to_string()
    };
    assert!(one(json!({})).starts_with("virtual_hosts[0].routes[0].match.prefix: "));
    let named = json!({"prefix": "/", "headers": [{"name": "a b", "string_match": {"exact": ""}}]});
    assert_eq!(one(named), "virtual_hosts[0].routes[0].match.headers: \"a b\" is not a header name");
}
