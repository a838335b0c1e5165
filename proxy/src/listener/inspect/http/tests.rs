use super::*;

#[test]
fn a_request_line_tells_its_version() {
    assert_eq!(look(b"GET / HTTP/1.1\r\nhost: a\r\n"), Some(Some("http/1.1")));
    assert_eq!(look(b"POST /x HTTP/1.0\n"), Some(Some("http/1.0")));
}

#[test]
fn half_a_request_line_is_waited_for() {
    for part in ["G", "GET", "GET /a", "GET / HTTP/1.1"] {
        assert_eq!(look(part.as_bytes()), None, "{part}");
    }
}

#[test]
fn the_preface_is_waited_for_and_found() {
    assert_eq!(look(&PREFACE[..10]), None);
    assert_eq!(look(PREFACE), Some(Some("h2c")));
}

#[test]
fn what_begins_no_method_is_not_waited_for() {
    for bytes in [&b"\x16\x03\x01"[..], b"hello", b"GETX / HTTP/1.1", b"\0\0"] {
        assert_eq!(look(bytes), Some(None), "{bytes:?}");
    }
}

#[test]
fn a_line_that_is_not_of_http_1_is_no_http() {
    for line in ["GET /\r\n", "GET / HTTP/2.0\r\n", "GET / a HTTP/1.1\r\n", "\r\n"] {
        assert_eq!(look(line.as_bytes()), Some(None), "{line}");
    }
}
