use super::*;

const GET: Asked = Asked { head: false, upgrade: false };

fn response_of(text: &str, asked: Asked) -> Response {
    read(text.as_bytes(), &mut HeadEnd::default(), asked).unwrap().unwrap().0
}

#[test]
fn the_head_says_where_the_body_ends() {
    let ended = |headers: &str, asked| {
        let response = response_of(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), asked);
        (response.body.exact_length(), response.closes)
    };
    assert_eq!(ended("content-length: 5\r\n", GET), (Some(5), false));
    assert_eq!(ended("content-length: 5\r\n", Asked { head: true, ..GET }), (Some(0), false));
    assert_eq!(ended("transfer-encoding: chunked\r\nconnection: close\r\n", GET), (None, true));
    assert!(response_of("HTTP/1.1 200\r\n\r\n", GET).body.cut().is_ok(), "the connection's end is the body's");
    assert!(response_of("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", GET).closes);
}

#[test]
fn a_response_without_a_body_announces_none() {
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
fn only_who_asked_to_change_the_protocol_does() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\n\r\n";
    assert!(response_of(head, Asked { upgrade: true, ..GET }).body.is_raw());
    assert!(response_of(head, GET).body.is_done());
    assert!(response_of("HTTP/1.1 103 Early Hints\r\n\r\n", GET).is_interim());
}
