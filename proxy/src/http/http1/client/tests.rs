use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::http::body::{Incoming, RequestSource};

/// A client, and the peer's end of its connection.
fn connected() -> (Client, DuplexStream) {
    let (near, far) = duplex(100_000);
    let (client, connection) = Client::new(near);
    tokio::spawn(connection);
    (client, far)
}

async fn get(client: &Client) -> Result<(u16, Option<String>), NoResponse> {
    let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a"))]);
    let request = Outgoing { method: &Method::GET, target: "/x", headers: &headers, upgrade: false };
    let source = RequestSource::new(Incoming::Empty, &Arc::default(), false);
    let response = client.send(request, source.body(envoy_rules::codec::HttpVersion::Http1)).await?;
    let status = response.status().as_u16();
    let body = Incoming::from(response.into_body()).collect().await.ok();
    Ok((status, body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap())))
}

/// Reads a request, and responds with these bytes.
async fn answer(far: &mut DuplexStream, bytes: &[u8]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(far.read_u8().await.unwrap());
    }
    assert_eq!(head, b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n");
    far.write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (client, mut far) = connected();
    for body in ["one", "two"] {
        let bytes = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{body}");
        let (found, ()) = tokio::join!(get(&client), answer(&mut far, bytes.as_bytes()));
        assert_eq!(found, Ok((200, Some(body.into()))));
        assert!(client.is_ready());
    }
}

#[tokio::test]
async fn a_connection_with_extra_bytes_after_a_response_is_not_reused() {
    let (client, mut far) = connected();
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil";
    let (found, ()) = tokio::join!(get(&client), answer(&mut far, bytes));
    assert_eq!(found, Ok((200, Some("ok".into()))));
    assert!(!client.is_ready());
    assert_eq!(get(&client).await, Err(NoResponse::NotSent));
}

#[tokio::test]
async fn an_end_inside_a_head_is_a_protocol_error_and_before_it_a_termination() {
    for (bytes, reset) in
        [(&b""[..], UpstreamReset::ConnectionTermination), (b"HTTP/1.1 200 OK\r\nconte", UpstreamReset::ProtocolError)]
    {
        let (client, mut far) = connected();
        let end = async {
            answer(&mut far, bytes).await;
            drop(far);
        };
        let (found, ()) = tokio::join!(get(&client), end);
        assert_eq!(found, Err(NoResponse::Reset(reset)));
    }
}

#[tokio::test]
async fn a_truncated_body_is_an_error() {
    let (client, mut far) = connected();
    let end = async {
        answer(&mut far, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart").await;
        drop(far);
    };
    let (found, ()) = tokio::join!(get(&client), end);
    assert_eq!(found, Ok((200, None)));
}

#[tokio::test]
async fn a_large_body_is_sent_however_slowly_it_is_read() {
    const LENGTH: usize = 5_000_000;
    let (near, mut far) = duplex(10_000);
    let (client, connection) = Client::new(near);
    tokio::spawn(connection);
    let (feed, body) = body::body(Some(LENGTH as u64), false);
    tokio::spawn(async move {
        let mut rest = LENGTH;
        while rest > 0 {
            assert_eq!(poll_fn(|cx| feed.poll_wish(cx)).await, Wish::Piece);
            let piece = rest.min(50_001);
            rest -= piece;
            feed.give(vec![b'x'; piece].into(), rest == 0);
        }
    });
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(LENGTH))]);
    let request = Outgoing { method: &Method::POST, target: "/x", headers: &headers, upgrade: false };
    let source = RequestSource::new(Incoming::from(Some(body)), &Arc::default(), false);
    let app = async {
        let mut all = vec![0; "POST /x HTTP/1.1\r\ncontent-length: 5000000\r\n\r\n".len() + LENGTH];
        far.read_exact(&mut all).await.unwrap();
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        all
    };
    let sending = client.send(request, source.body(envoy_rules::codec::HttpVersion::Http1));
    let (response, all) = tokio::join!(sending, app);
    assert_eq!(response.unwrap().status(), 204);
    assert!(all.ends_with(b"xxxx") && client.is_ready());
}
