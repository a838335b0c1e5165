use super::*;

#[allow(clippy::needless_pass_by_value, reason = "a method is a word")]
fn head_of(method: Method, lines: &[(HeaderName, &'static str)], whole: bool) -> (String, Encoder) {
    let headers = lines.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value)));
    let mut out = BytesMut::new();
    let encoder = request(&mut out, &method, "/x", &headers.collect(), whole, false);
    (String::from_utf8(out.to_vec()).unwrap(), encoder)
}

fn answer_of(status: u16, lines: &[(HeaderName, &'static str)], answering: Answering) -> (String, Encoder) {
    let headers = lines.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_static(value)));
    let mut out = BytesMut::new();
    let encoder = response(&mut out, StatusCode::from_u16(status).unwrap(), &headers.collect(), answering);
    (String::from_utf8(out.to_vec()).unwrap(), encoder)
}

const ANSWERING: Answering =
    Answering { version: Version::HTTP_11, head: false, whole: false, closes: false, raw: false };

#[test]
fn the_head_of_a_request_announces_its_body() {
    let length = (header::CONTENT_LENGTH, "3");
    assert_eq!(head_of(Method::GET, &[], true), ("GET /x HTTP/1.1\r\n\r\n".into(), Encoder::Plain));
    assert_eq!(
        head_of(Method::GET, &[], false),
        ("GET /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".into(), Encoder::Chunked)
    );
    assert_eq!(
        head_of(Method::HEAD, &[length], false),
        ("HEAD /x HTTP/1.1\r\ncontent-length: 3\r\n\r\n".into(), Encoder::Plain)
    );
    assert_eq!(
        head_of(Method::POST, &[], true),
        ("POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n".into(), Encoder::Plain)
    );
}

#[test]
fn the_head_of_a_response_announces_the_end_of_its_body() {
    let ended = |status, answering| {
        let (head, encoder) = answer_of(status, &[], answering);
        (head.split_once("\r\n").unwrap().1.to_owned(), encoder)
    };
    assert_eq!(ended(200, ANSWERING), ("transfer-encoding: chunked\r\n\r\n".into(), Encoder::Chunked));
    let whole = Answering { whole: true, ..ANSWERING };
    assert_eq!(ended(200, whole), ("content-length: 0\r\n\r\n".into(), Encoder::Plain));
    assert_eq!(ended(204, whole), ("\r\n".into(), Encoder::Nothing));
    assert_eq!(ended(304, whole), ("\r\n".into(), Encoder::Nothing));
    let to_head = Answering { head: true, ..whole };
    assert_eq!(ended(200, to_head), ("transfer-encoding: chunked\r\n\r\n".into(), Encoder::Nothing));
    let old = Answering { version: Version::HTTP_10, closes: true, ..ANSWERING };
    assert_eq!(ended(200, old), ("connection: close\r\n\r\n".into(), Encoder::Plain));
    let raw = Answering { raw: true, ..ANSWERING };
    assert_eq!(ended(101, raw), ("\r\n".into(), Encoder::Plain));
    assert!(answer_of(299, &[], ANSWERING).0.starts_with("HTTP/1.1 299 Unknown\r\n"));
}
