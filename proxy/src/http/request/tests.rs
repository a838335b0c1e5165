use super::*;

#[test]
fn dots_in_paths_are_resolved() {
    for (path, resolved) in [
        ("/a/b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/./b/", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/a/%2e%2E/b?x=/../y", "/b?x=/../y"),
        ("/a//b", "/a//b"),
        ("/", "/"),
    ] {
        assert_eq!(without_dots(&path.parse().unwrap()).as_str(), resolved, "{path}");
    }
}

#[test]
fn options_of_the_connection_header_are_found_in_any_case() {
    let headers = HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"))]);
    assert!(asks(&headers, "upgrade"));
    assert!(!asks(&headers, "close"));
}

#[test]
fn the_host_of_an_absolute_request_replaces_the_header() {
    let (mut parts, ()) = Request::get("http://other:81/x?y").body(()).unwrap().into_parts();
    parts.headers.insert(header::HOST, HeaderValue::from_static("a"));
    let head = normalized(parts, false);
    assert_eq!(head.headers[header::HOST], "other:81");
    assert_eq!(head.uri, "/x?y");
}
