//! Versions of HTTP, and which of them a connection manager reads.

use envoy_api::CodecType;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1, and HTTP/1.0 where it is accepted.
    Http1,
    /// HTTP/2.
    Http2,
}

impl HttpVersion {
    /// How an HTTP/2 connection begins. Envoy decides by this much of it (`Http2CodecImpl`'s `CLIENT_MAGIC_PREFIX`).
    pub const PREFACE: &'static [u8] = b"PRI * HTTP/2";

    /// Its name, as access logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }

    /// Its protocol in ALPN.
    pub fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        }
    }

    /// What the HTTP inspector finds of it in plaintext, for `application_protocols`.
    pub fn sniffed(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2c",
        }
    }
}

/// The version that a connection manager reads, by its configuration and by what ALPN chose. `None`: the first bytes decide,
/// HTTP/2 by its [preface](HttpVersion::PREFACE) (`HttpConnectionManagerConfig::createCodec`,
/// `ConnectionManagerUtility::autoCreateCodec`).
pub fn codec(configured: CodecType, alpn: Option<&str>) -> Option<HttpVersion> {
    match (configured, alpn) {
        (CodecType::Http2, _) | (CodecType::Auto, Some("h2")) => Some(HttpVersion::Http2),
        (CodecType::Http1, _) | (CodecType::Auto, Some(_)) => Some(HttpVersion::Http1),
        (CodecType::Auto, None) => None,
    }
}

#[cfg(test)]
mod tests;
