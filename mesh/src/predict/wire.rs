//! Data sent on a connection, and the reply.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

pub(super) use envoy_rules::codec::HttpVersion as Version;

use super::tls::{Broken, Hello, Session};
use crate::account::AppSpeaks;

/// One layer of what a party sends. A slice lists all layers, the outermost first; the last one is not TLS.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// A TLS handshake, and the rest inside.
    Tls(Hello),
    /// A request in HTTP/1.1 or HTTP/2.
    Http(Version, Request),
    /// Bytes that are neither.
    Bytes,
    /// Nothing until the server has spoken, then bytes that are neither.
    Nothing,
}

/// The parts of a request that decide its route.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// `host` or `:authority`.
    pub(super) authority: String,
    /// The path and query.
    pub(super) path: String,
    pub(super) method: Method,
    /// The other headers.
    pub(super) headers: HeaderMap,
    /// What is spoken beside plain HTTP.
    pub(super) speaks: Option<AppSpeaks>,
}

impl Request {
    /// A request with the method and headers of what is spoken.
    pub(super) fn new(authority: impl Into<String>, path: impl Into<String>, speaks: Option<AppSpeaks>) -> Self {
        let (method, headers): (Method, &[(HeaderName, &str)]) = match speaks {
            Some(AppSpeaks::Connect) => (Method::CONNECT, &[]),
            Some(AppSpeaks::Grpc) => {
                (Method::POST, &[(header::CONTENT_TYPE, "application/grpc"), (header::TE, "trailers")])
            }
            Some(AppSpeaks::Websocket) => {
                (Method::GET, &[(header::CONNECTION, "Upgrade"), (header::UPGRADE, "websocket")])
            }
            _ => (Method::GET, &[]),
        };
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        Self { authority: authority.into(), path: path.into(), method, headers, speaks }
    }

    /// The protocol that it asks to upgrade its connection to, as Envoy reads it (`Utility::isUpgrade` in `source/common/http/utility.cc`).
    pub(super) fn upgrade(&self) -> Option<&str> {
        let options = self.headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let mut options = options.flat_map(|value| value.split(','));
        let is_asked = options.any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
        self.headers.get(header::UPGRADE).filter(|_| is_asked)?.to_str().ok()
    }

    /// What the HTTP inspector finds of it.
    pub(super) fn sniffed(&self, version: Version) -> &'static str {
        if self.speaks == Some(AppSpeaks::Http10) { "http/1.0" } else { version.sniffed() }
    }
}

/// The reply to what a party sent, seen from its outermost layer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// RST to the SYN.
    Refused,
    /// The address is unreachable.
    Unreachable,
    /// Nothing, until a timeout.
    Silence,
    /// The connection is reset before any answer.
    Reset,
    /// The connection is closed before any answer.
    Closed,
    /// The stream of HTTP/2 is reset with PROTOCOL_ERROR.
    StreamReset,
    /// A fatal TLS alert, in reply to something other than a ClientHello.
    Alert,
    /// A handshake that one side aborted.
    Broken(Box<Session>, Broken),
    /// A completed handshake, and the reply inside.
    Tunnel(Box<Session>, Box<Reply>),
    /// An HTTP response, not inside TLS.
    Response(Version, u16),
    /// The same bytes.
    Echo,
}
