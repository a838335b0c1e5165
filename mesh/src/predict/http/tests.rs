use pretty_assertions::assert_eq;

use super::*;

#[test]
fn where_nothing_else_decides_what_is_sent_does() {
    let request = || Request::new("any", "/", None);
    for (sent, expected) in [
        (Sent::Http(Version::Http1, request()), Version::Http1),
        (Sent::Http(Version::Http2, request()), Version::Http2),
        (Sent::Bytes, Version::Http1),
    ] {
        assert_eq!(read_as(CodecType::Auto, None, &[sent]), expected);
    }
    assert_eq!(read_as(CodecType::Auto, Some("h2"), &[Sent::Bytes]), Version::Http2);
}
