use super::*;

const GET: Asked = Asked { head: false, upgrade: false };

fn response_of(text: &str, asked: Asked) -> Response {
    read(text.as_bytes(), &mut HeadEnd::default(), asked).unwrap().unwrap().0
}

#[test]
fn the_head_announces_the_end_of_the_body() {
    let ended = |headers: &str, asked| {
        let response = response_of(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), asked);
        (response.body.exact_length(), response.closes)
    };
    assert_eq!(ended("content-length: 5\r\n", GET), (Some(5), false));
    assert_eq!(ended("content-length: 5\r\n", Asked { head: true, ..GET }), (Some(0), false));
    assert_eq!(ended("transfer-encoding: chunked\r\nconnection: close\r\n", GET), (None, true));
    assert!(response_of("HTTP/1.1 200\r\n\r\n", GET).body.cut().is_ok(), "the body ends with the connection");
    assert!(response_of("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", GET).closes);
}

#[test]
fn a_malformed_response_is_refused() {
    for head in [
        "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 abc\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "garbage\n",
        "\u{15}\u{3}\u{1}",
    ] {
        assert!(read(head.as_bytes(), &mut HeadEnd::default(), GET).is_err(), "{head:?}");
    }
    let response = response_of("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", GET);
    assert!(response.headers.is_empty() && response.body.is_done());
}

#[test]
fn a_protocol_switch_is_only_accepted_if_requested() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\n\r\n";
    assert!(response_of(head, Asked { upgrade: true, ..GET }).body.is_raw());
    assert!(response_of(head, GET).body.is_done());
    assert!(response_of("HTTP/1.1 103 Early Hints\r\n\r\n", GET).is_interim());
}
