use std::convert::Infallible;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use pretty_assertions::assert_eq;

use super::*;
use crate::report::GrpcStatus;

/// A body that is received in these pieces.
fn body(pieces: &[&[u8]]) -> Messages<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Unpin + use<>> {
    let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    Messages::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn messages_are_found_however_the_body_is_split() {
    let two = [frame(b"hello"), frame(b"")].concat();
    assert_eq!(two, b"\0\0\0\0\x05hello\0\0\0\0\0");
    for cut in 0..=two.len() {
        let (first, second) = two.split_at(cut);
        let mut messages = body(&[first, second]);
        assert_eq!(messages.next().await.unwrap().unwrap(), "hello", "cut at {cut}");
        assert_eq!(messages.next().await.unwrap().unwrap(), "", "cut at {cut}");
        assert_eq!(messages.next().await.unwrap(), None, "cut at {cut}");
        assert_eq!(messages.bytes(), two.len() as u64);
    }
}

#[tokio::test]
async fn malformed_messages_are_distinguished() {
    assert!(matches!(body(&[b"\0\0\0\0\x05hel"]).next().await, Err(Broken::CutShort)));
    assert!(matches!(body(&[b"\x01\0\0\0\x01x"]).next().await, Err(Broken::Compressed)));
    assert!(matches!(body(&[b"\0\xff\0\0\0"]).next().await, Err(Broken::TooLong(0xff00_0000))));
}

#[tokio::test]
async fn trailers_are_available_at_the_end() {
    let trailers = GrpcStatus::from_code(Code::Ok, "").trailers();
    let whole = http_body_util::Full::new(frame(b"x")).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut messages = Messages::new(whole);
    while messages.next().await.unwrap().is_some() {}
    assert!(GrpcStatus::from_trailers(messages.trailers().unwrap()).unwrap().is_ok());
}

#[test]
fn a_status_with_any_message_survives_its_trailers() {
    for message in ["", "plain words", "100 % / line\nend \u{e9}\u{4e16} \x7f"] {
        let status = GrpcStatus::new(14, message);
        let trailers = status.trailers();
        assert_eq!(trailers["grpc-status"], "14");
        assert_eq!(GrpcStatus::from_trailers(&trailers), Some(status));
    }
    assert_eq!(GrpcStatus::new(7, "a b%\u{e9}").trailers()["grpc-message"], "a b%25%C3%A9");
}

#[test]
fn codes_have_their_names_and_undefined_ones_are_unknown() {
    for (code, name) in
        [(0, "OK"), (1, "CANCELLED"), (7, "PERMISSION_DENIED"), (16, "UNAUTHENTICATED"), (17, "UNKNOWN")]
    {
        assert_eq!(GrpcStatus::new(code, "").name, name);
    }
    assert_eq!(GrpcStatus::from_code(Code::Unavailable, "").name, "UNAVAILABLE");
    let mut odd = HeaderMap::new();
    odd.insert("grpc-status", "fine".parse().unwrap());
    assert_eq!(GrpcStatus::from_trailers(&odd).unwrap().code, 2);
    assert_eq!(GrpcStatus::from_trailers(&HeaderMap::new()), None);
}

#[test]
fn a_response_that_is_not_grpc_is_judged_by_its_http_status() {
    for (http, grpc) in [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14)] {
        assert_eq!(GrpcStatus::from_http(StatusCode::from_u16(http).unwrap()).code, grpc, "{http}");
    }
    for http in [200, 302, 415, 500, 505] {
        assert_eq!(GrpcStatus::from_http(StatusCode::from_u16(http).unwrap()).code, 2, "{http}");
    }
}

#[test]
fn the_content_type_distinguishes_grpc() {
    for (kind, expected) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc; charset=x", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(is_grpc(&headers), expected, "{kind}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}
