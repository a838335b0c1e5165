use super::*;

#[test]
fn the_codec_is_the_configured_one_or_that_of_alpn_or_of_the_first_bytes() {
    use HttpVersion::{Http1, Http2};
    for (configured, alpn, expected) in [
        (CodecType::Auto, Some("h2"), Some(Http2)),
        (CodecType::Auto, Some("http/1.1"), Some(Http1)),
        (CodecType::Auto, Some("istio-peer-exchange"), Some(Http1)),
        (CodecType::Auto, None, None),
        (CodecType::Http2, None, Some(Http2)),
        (CodecType::Http2, Some("http/1.1"), Some(Http2)),
        (CodecType::Http1, Some("h2"), Some(Http1)),
    ] {
        assert_eq!(codec(configured, alpn), expected, "{configured:?} {alpn:?}");
    }
}
