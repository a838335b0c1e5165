//! HTTP versions, and how a connection manager chooses one.

use envoy_api::CodecType;

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1, and HTTP/1.0 if that is accepted.
    Http1,
    /// HTTP/2.
    Http2,
}

impl HttpVersion {
    /// The start of an HTTP/2 connection, as much as Envoy compares (`Http2CodecImpl`'s `CLIENT_MAGIC_PREFIX`).
    pub const PREFACE: &'static [u8] = b"PRI * HTTP/2";

    /// Name in access logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }

    /// ALPN protocol id.
    pub fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        }
    }

    /// Value in `application_protocols` if the HTTP inspector detects it in plaintext.
    pub fn sniffed(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2c",
        }
    }
}

/// The version that a connection manager uses, according to its configuration and ALPN. `None` means that the first bytes decide:
/// HTTP/2 if they are its [preface](HttpVersion::PREFACE) (`HttpConnectionManagerConfig::createCodec`,
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
