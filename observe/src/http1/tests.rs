use pretty_assertions::assert_eq;

use crate::testing::{Talk, Wire, client_says, http_talk, server_says};
use crate::{Http1, KeyLog, Layer};

fn read(talk: &Talk) -> Http1 {
    let flow = Wire::default().whole(talk).flow(&KeyLog::default());
    match flow.content.first() {
        Some(Layer::Http1(http1)) => http1.clone(),
        _ => panic!("{flow:#?}"),
    }
}

#[test]
fn a_probe_is_found_by_path_or_header() {
    let flow = Wire::default().whole(&http_talk()).flow(&KeyLog::default());
    for marker in ["marker-1", "p-7", "hello"] {
        let exchange = flow.find(marker).unwrap_or_else(|| panic!("{marker}"));
        assert_eq!((exchange.request.method.as_str(), exchange.request.target.as_str()), ("GET", "/marker-1?x=1"));
        let response = exchange.response.as_ref().unwrap();
        assert_eq!((response.status, response.reason.as_str(), response.message.body_bytes), (200, "OK", 5));
        assert!(response.message.complete);
    }
    assert_eq!(flow.find("p-8"), None);
}

#[test]
fn a_reused_connection_pairs_each_request_with_its_response() {
    let mut talk = Talk::new();
    for at in 0..3 {
        talk.push(client_says(&format!("POST /r{at} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")));
        talk.push(server_says(&format!("HTTP/1.1 20{at} X\r\nContent-Length: {at}\r\n\r\n{}", "z".repeat(at))));
    }
    let http1 = read(&talk);
    let statuses: Vec<_> = http1.exchanges.iter().map(|it| it.response.as_ref().unwrap().status).collect();
    assert_eq!(statuses, [200, 201, 202]);
    let times: Vec<_> = http1.exchanges.iter().map(|it| it.request.message.at_ns).collect();
    assert!(times.is_sorted() && times[0] < times[2]);
    assert_eq!((http1.client_error, http1.server_error), (None, None));
}

#[test]
fn the_length_of_a_chunked_body_excludes_its_framing() {
    let http1 = read(&vec![
        client_says("GET / HTTP/1.1\r\n\r\n"),
        server_says(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\nT: 1\r\n\r\n",
        ),
    ]);
    let message = &http1.exchanges[0].response.as_ref().unwrap().message;
    assert_eq!((message.body_bytes, message.body_start.as_slice(), message.complete), (7, b"abcdefg".as_slice(), true));
    assert_eq!(message.trailers, [("t".to_owned(), "1".to_owned())]);
}

#[test]
fn a_head_request_has_a_response_without_body() {
    let http1 = read(&vec![
        client_says("HEAD / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"),
        server_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let statuses: Vec<_> = http1.exchanges.iter().map(|it| it.response.as_ref().unwrap().status).collect();
    assert_eq!(statuses, [200, 204]);
}

#[test]
fn interim_responses_are_not_the_final_response() {
    let http1 = read(&vec![
        client_says("POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
        server_says("HTTP/1.1 100 Continue\r\n\r\n"),
        client_says("x"),
        server_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(http1.exchanges[0].interim, [100]);
    assert_eq!(http1.exchanges[0].response.as_ref().unwrap().status, 200);
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let http1 = read(&vec![client_says("GET / HTTP/1.0\r\n\r\n"), server_says("HTTP/1.0 200 OK\r\n\r\nto the end")]);
    let message = &http1.exchanges[0].response.as_ref().unwrap().message;
    assert_eq!((message.body_bytes, message.complete), (10, true));
}

#[test]
fn what_follows_a_switch_of_protocols_is_another_layer() {
    let talk = vec![
        client_says("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
        server_says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nframes"),
        client_says("more"),
    ];
    let flow = Wire::default().whole(&talk).flow(&KeyLog::default());
    assert_eq!(flow.layers(), ["http/1.1", "tcp"]);
    assert!(flow.content.last().unwrap().contains("frames"));
}

#[test]
fn a_request_that_is_answered_with_tls_says_so() {
    let alert = vec![0x15, 3, 3, 0, 2, 2, 70];
    let talk = vec![client_says("GET / HTTP/1.1\r\n\r\n"), (crate::Side::Server, alert)];
    let http1 = read(&talk);
    assert_eq!(http1.exchanges[0].response, None);
    let error = http1.server_error.unwrap();
    assert!(error.ends_with("a TLS alert: protocol_version"), "{error}");
}

#[test]
fn a_truncated_message_is_not_complete() {
    let http1 = read(&vec![
        client_says("GET / HTTP/1.1\r\n\r\n"),
        server_says("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this"),
    ]);
    let message = &http1.exchanges[0].response.as_ref().unwrap().message;
    assert_eq!((message.body_bytes, message.complete), (9, false));

    let http1 = read(&vec![client_says("GET / HTTP/1.1\r\n\r\n"), server_says("HTTP/1.1 200 OK\r\nConte")]);
    assert_eq!(http1.server_error.as_deref(), Some("22 bytes of an incomplete head, then the connection ended"));
}

#[test]
fn a_response_without_a_request_is_kept_separately() {
    let http1 = read(&vec![
        client_says("GET / HTTP/1.1\r\n\r\n"),
        server_says(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        ),
    ]);
    assert_eq!(http1.unasked[0].status, 408);
}

#[test]
fn text_that_is_not_a_request_line_is_opaque() {
    for text in ["HELLO world\n", "GET /\r\n", "get / HTTP/1.1\r\n", "GET / HTTP/1.1", "GET  HTTP/1.1\r\n", ""] {
        let flow = Wire::default().whole(&vec![client_says(text)]).flow(&KeyLog::default());
        assert!(matches!(flow.content.last(), Some(Layer::Tcp(_))), "{text}");
    }
}
