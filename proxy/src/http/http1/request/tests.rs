use super::*;

fn read_all(text: &str) -> Result<Option<(Request, usize)>, Rejection> {
    read(text.as_bytes(), &mut HeadEnd::default())
}

fn request_of(text: &str) -> Request {
    read_all(text).unwrap().unwrap().0
}

fn refused(text: &str) -> Rejection {
    read_all(text).unwrap_err()
}

#[test]
fn a_request_is_parsed_from_its_head_and_the_rest_is_left() {
    let (request, length) = read_all("\r\n\r\nGET /a?b HTTP/1.1\r\nHost: a\r\n\r\nGET").unwrap().unwrap();
    assert_eq!((request.method, request.path.as_deref(), length), (Method::GET, Some("/a?b"), 34));
    assert!(request.body.is_done() && !request.closes);
    assert!(read_all("GET /a?b HTTP/1.1\r\nHost: a\r\n").unwrap().is_none());
}

#[test]
fn an_invalid_request_is_refused_as_soon_as_possible() {
    for text in ["\u{16}", " GET", "get / HTTP/1.1\n", "GET x HTTP/1.1\r\n", "GET / y HTTP/1.1\r\n", "FOO / HTTP/1.1\n"]
    {
        assert_eq!(refused(text), Rejection::CODEC, "{text:?}");
    }
    assert!(read_all("garbage without a line").unwrap().is_none());
    assert_eq!(refused("GET /\r\n"), Rejection::VERSION, "HTTP/0.9");
    assert_eq!(refused(&format!("GET /{}", "a".repeat(61_440))), Rejection::HEAD_TOO_LARGE);
    assert_eq!(refused("FOO / HTTP/1.1\r\nx: a\0b\r\n\r\n"), Rejection::INVALID_CHARACTERS, "before anything else");
}

#[test]
fn the_targets_host_replaces_the_header() {
    let host = |text: &str| request_of(text).headers["host"].clone();
    assert_eq!(host("GET http://u@other:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n"), "other:81");
    assert_eq!(host("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "a,b");
    assert_eq!(request_of("GET http://other?q HTTP/1.1\r\n\r\n").path.as_deref(), Some("?q"));
    assert_eq!(request_of("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path.as_deref(), Some("*"));
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Rejection::AUTHORITY);
    assert_eq!(refused("GET ftp://a/ HTTP/1.1\r\n\r\n"), Rejection::SCHEME);
    assert_eq!(refused("GET http://a:/ HTTP/1.1\r\n\r\n"), Rejection::URL);
    assert_eq!(refused("CONNECT a HTTP/1.1\r\n\r\n"), Rejection::URL);
}

#[test]
fn headers_listed_by_connection_are_removed_except_protected_ones() {
    let request = request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-A, close\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    assert!(request.closes && !request.headers.contains_key("x-a") && request.headers.contains_key("x-b"));
    let request = request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: gzip, trailers\r\n\r\n");
    assert_eq!(request.headers["te"], "trailers");
    for named in ["x-forwarded-for", "x-forwarded-proto", ":path"] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {named}\r\n\r\n");
        assert_eq!(refused(&text), Rejection::CONNECTION_HEADER, "{named}");
    }
}

#[test]
fn an_upgrade_makes_the_rest_opaque_and_h2c_is_ignored() {
    let request = request_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
    assert_eq!(request.upgrade.as_deref(), Some("websocket"));
    assert!(request.body.is_raw());
    let request = request_of(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    );
    assert_eq!(request.upgrade, None);
    assert_eq!(request.headers.len(), 1, "{:?}", request.headers);
}
