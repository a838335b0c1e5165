use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

fn routes(hosts: &[(&str, &[&str])]) -> RouteConfiguration {
    let host = |(name, domains): &(&str, &[&str])| json!({"name": name, "domains": domains, "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name}}]});
    let hosts: Vec<_> = hosts.iter().map(host).collect();
    envoy_api::read_value(json!({"name": "under-test", "virtual_hosts": hosts})).expect("routes")
}

fn request(authority: &str, path: &str) -> Request {
    Request { authority: authority.into(), path: path.into() }
}

#[test]
fn a_domain_matches_exactly_then_by_suffix_then_by_prefix_then_at_all() {
    let routes = routes(&[
        ("all", &["*"]),
        ("prefix", &["www.*", "www.example.*"]),
        ("suffix", &["*.com", "*.example.com"]),
        ("exact", &["www.example.com", "Server:8080"]),
    ]);
    for (host, expected) in [
        ("www.example.com", "exact"),
        ("WWW.example.com", "exact"),
        ("server:8080", "exact"),
        ("api.example.com", "suffix"),
        ("www.example.org", "prefix"),
        ("www.test", "prefix"),
        ("server", "all"),
        (".com", "all"),
    ] {
        let found = find_route(&routes, &request(host, "/")).map(|(_, host, _)| host.name.as_str());
        assert_eq!(found, Some(expected), "{host}");
    }
}

#[test]
fn without_a_domain_that_fits_there_is_no_route() {
    assert!(find_route(&routes(&[("one", &["server"])]), &request("other", "/")).is_none());
    assert!(find_route(&routes(&[("one", &["server"])]), &request("server:80", "/")).is_none());
}

#[test]
fn the_port_of_a_host_can_be_ignored() {
    let mut routes = routes(&[("one", &["server", "[fd00::1]"])]);
    routes.ignore_port_in_host_matching = true;
    for host in ["server", "server:80", "[fd00::1]:80"] {
        assert!(find_route(&routes, &request(host, "/")).is_some(), "{host}");
    }
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let routes: RouteConfiguration = envoy_api::read_value(json!({
        "name": "under-test",
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"name": "header", "match": {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "me"}}]}},
            {"name": "path", "match": {"path": "/exact"}},
            {"name": "prefix", "match": {"prefix": "/api/"}},
            {"name": "rest", "match": {"prefix": "/"}},
        ]}],
    }))
    .expect("routes");
    for (path, expected) in [("/exact", "path"), ("/exact?q", "path"), ("/api/x", "prefix"), ("/api", "rest")] {
        let found = find_route(&routes, &request("any", path)).map(|(_, _, route)| route.name.as_str());
        assert_eq!(found, Some(expected), "{path}");
    }
}

#[test]
fn the_codec_follows_alpn_then_the_preface_unless_it_is_set() {
    let http1 = [Sent::Http(Version::Http1, request("any", "/"))];
    let http2 = [Sent::Http(Version::Http2, request("any", "/"))];
    for (configured, alpn, sent, expected) in [
        (CodecType::Auto, Some("h2"), &http1, Version::Http2),
        (CodecType::Auto, Some("http/1.1"), &http2, Version::Http1),
        (CodecType::Auto, Some("istio-peer-exchange"), &http2, Version::Http1),
        (CodecType::Auto, None, &http2, Version::Http2),
        (CodecType::Auto, None, &http1, Version::Http1),
        (CodecType::Http2, None, &http1, Version::Http2),
        (CodecType::Http1, Some("h2"), &http2, Version::Http1),
    ] {
        assert_eq!(codec(configured, alpn, sent), expected, "{configured:?} {alpn:?}");
    }
}

#[test]
fn what_is_tried_again_depends_on_how_it_ended() {
    let policy = |retry_on: &str| RetryPolicy {
        retry_on: retry_on.into(),
        num_retries: Some(2),
        retriable_status_codes: vec![503],
        retry_back_off: None,
    };
    let ended = |status, retried_on| Ended { status, flags: "-", details: String::new(), retried_on };
    let codes: &[&str] = &["retriable-status-codes"];
    assert!(retries(&policy("connect-failure,refused-stream"), &ended(503, &["connect-failure"])));
    assert!(!retries(&policy("refused-stream"), &ended(503, &["connect-failure"])));
    assert!(retries(&policy("retriable-status-codes"), &ended(503, codes)));
    assert!(!retries(&policy("retriable-status-codes"), &ended(500, codes)));
    assert!(!retries(&RetryPolicy { num_retries: Some(0), ..policy("5xx") }, &ended(503, &["5xx"])));
}
