use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::*;

fn route(value: Value) -> Route {
    envoy_api::read_value(value).expect("a route")
}

fn rewritten(matcher: &Value, action: &Value, sent: &str) -> Option<String> {
    let mut with = json!({"cluster": "c"});
    with.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    let route = route(json!({"match": matcher, "route": with}));
    path(route.route.as_ref().unwrap(), &route.matcher, sent)
}

#[test]
fn a_rewrite_replaces_what_was_matched_and_keeps_the_query() {
    let to = json!({"prefix_rewrite": "/new"});
    assert_eq!(rewritten(&json!({"prefix": "/old"}), &to, "/old/x?q"), Some("/new/x?q".into()));
    assert_eq!(rewritten(&json!({"path": "/old"}), &to, "/old?q"), Some("/new?q".into()));
    assert_eq!(rewritten(&json!({"safe_regex": {"regex": "/o.*"}}), &to, "/old/x?q"), Some("/new?q".into()));
    assert_eq!(rewritten(&json!({"prefix": "/"}), &json!({}), "/old"), None);
}

#[test]
fn a_regular_expression_replaces_all_that_it_matches() {
    let to =
        json!({"regex_rewrite": {"pattern": {"regex": "^/service/([^/]+)(/.*)$"}, "substitution": "\\2/instance/\\1"}});
    assert_eq!(
        rewritten(&json!({"prefix": "/"}), &to, "/service/foo/v1/api?q=1"),
        Some("/v1/api/instance/foo?q=1".into())
    );
}

#[test]
fn headers_are_removed_then_added_those_of_the_cluster_first() {
    let route = route(json!({
        "match": {"prefix": "/"}, "route": {"cluster": "c"},
        "request_headers_to_remove": ["gone"],
        "request_headers_to_add": [
            {"header": {"key": "set", "value": "route"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
            {"header": {"key": "added", "value": "100%%"}},
        ],
    }));
    let cluster: ClusterWeight = envoy_api::read_value(json!({"name": "c", "weight": 1, "request_headers_to_add": [
        {"header": {"key": "set", "value": "cluster"}}, {"header": {"key": "gone", "value": "again"}},
    ]}))
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.append("added", HeaderValue::from_static("before"));
    Mutations::of_request(&route, Some(&cluster)).apply(&mut headers, |text| plain_value(text).unwrap());
    let values = |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((values("set"), values("added"), values("gone")), (vec!["route"], vec!["before", "100%"], vec![]));
}

#[test]
fn a_redirect_keeps_what_it_does_not_change() {
    let to = |redirect: Value, authority: &str, path: &str| {
        let route = route(json!({"match": {"prefix": "/old"}, "redirect": redirect}));
        let headers = HeaderMap::new();
        let request = RequestHead { authority, path, method: "GET", scheme: "http", headers: &headers };
        location(route.redirect.as_ref().unwrap(), &route.matcher, &request)
    };
    assert_eq!(to(json!({"path_redirect": "/new"}), "a:8080", "/old?q"), "http://a:8080/new?q");
    assert_eq!(to(json!({"path_redirect": "/new?r"}), "a", "/old?q"), "http://a/new?r");
    assert_eq!(to(json!({"path_redirect": "new"}), "a:8080", "/old?q"), "http://a:8080/new?q");
    assert_eq!(to(json!({"prefix_rewrite": "/new"}), "a", "/old/x?q"), "http://a/new/x?q");
    assert_eq!(to(json!({"host_redirect": "b"}), "a:8080", "/old"), "http://b/old");
    assert_eq!(to(json!({"scheme_redirect": "https"}), "a:80", "/old"), "https://a/old");
    assert_eq!(to(json!({"scheme_redirect": "https"}), "a:8080", "/old"), "https://a:8080/old");
    assert_eq!(to(json!({"port_redirect": 8443, "scheme_redirect": "https"}), "a:80", "/old"), "https://a:8443/old");
}
