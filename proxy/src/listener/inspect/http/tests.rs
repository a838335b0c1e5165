use super::*;

#[test]
fn a_request_line_contains_its_version() {
    assert_eq!(look(b"GET / HTTP/1.1\r\nhost: a\r\n"), Some(Some("http/1.1")));
    assert_eq!(look(b"POST /x HTTP/1.0\n"), Some(Some("http/1.0")));
}

#[test]
fn an_incomplete_request_line_needs_more_bytes() {
    for part in ["G", "GET", "GET /a", "GET / HTTP/1.1"] {
        assert_eq!(look(part.as_bytes()), None, "{part}");
    }
}

#[test]
fn the_preface_is_detected() {
    assert_eq!(look(&PREFACE[..10]), None);
    assert_eq!(look(PREFACE), Some(Some("h2c")));
}

#[test]
fn what_cannot_be_a_method_is_refused_at_once() {
    for bytes in [&b"\x16\x03\x01"[..], b"{\"a\": 1}", b" GET", b"A\0B", b"\x80abc"] {
        assert_eq!(look(bytes), Some(None), "{bytes:?}");
    }
    assert_eq!(look(b"EHLO a.example"), None, "an incomplete line may still become a request");
}

/// Expected values are Envoy 1.40's.
#[test]
fn a_line_is_http_if_envoy_accepts_it() {
    for line in ["get / HTTP/1.1", "FOO / HTTP/1.1", "GET  / HTTP/1.1 ", "CONNECT a:1 HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        assert_eq!(look(format!("{line}\r\n").as_bytes()), Some(Some("http/1.1")), "{line}");
    }
    for line in [
        "GET /",
        "GET / HTTP/2.0",
        "GET / a HTTP/1.1",
        "GET x HTTP/1.1",
        "GET / http/1.1",
        "G(T / HTTP/1.1",
        "",
        "hello",
    ] {
        assert_eq!(look(format!("{line}\r\n").as_bytes()), Some(None), "{line}");
    }
}
