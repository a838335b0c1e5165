//! HTTP requests to an endpoint, and their failures.

use std::error::Error as _;

use http::{
    HeaderName, HeaderValue, Method, Request, Uri, header,
    uri::{Authority, PathAndQuery},
};
use hyper::ext::Protocol;

use crate::{access_log::RequestHead, cluster::ConnectFailure};
use envoy_rules::outcome::{Outcome, UpstreamReset};

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// Whether any part of the request may have reached the upstream.
    pub(super) sent: bool,
}

impl From<ConnectFailure> for Failure {
    fn from(failure: ConnectFailure) -> Self {
        Self { outcome: failure.into(), sent: false }
    }
}

impl From<UpstreamReset> for Failure {
    fn from(reset: UpstreamReset) -> Self {
        Self { outcome: Outcome::UpstreamReset(reset), sent: true }
    }
}

/// How an upstream ended a stream, from an HTTP/2 error.
pub(super) fn http2_reset(error: &hyper::Error) -> UpstreamReset {
    match error.source().and_then(|source| source.downcast_ref::<h2::Error>()) {
        Some(error) if error.is_remote() && error.is_reset() => match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => UpstreamReset::RemoteRefused,
            _ => UpstreamReset::RemoteReset,
        },
        Some(error) if error.is_library() => UpstreamReset::ProtocolError,
        _ => UpstreamReset::ConnectionTermination,
    }
}

/// A request for HTTP/2, with the host in its URI. An upgrade becomes an extended CONNECT (RFC 8441; `transformUpgradeRequestFromH1toH2` in
/// Envoy's `source/common/http/utility.cc`).
pub(super) fn http2_request(head: &RequestHead) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = head.headers.clone();
    if let Some(protocol) = request.headers_mut().remove(header::UPGRADE) {
        request.headers_mut().remove(header::CONNECTION);
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(Protocol::from(protocol.to_str().unwrap_or_default()));
    }
    let host = request.headers_mut().remove(header::HOST);
    let scheme = match request.headers().get(HeaderName::from_static("x-forwarded-proto")).map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        _ => "http",
    };
    let mut uri = Uri::builder();
    if let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) {
        uri = uri.scheme(scheme).authority(authority);
    }
    if let Some(path) = head.path.as_deref().and_then(path_and_query) {
        uri = uri.path_and_query(path);
    }
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
    request
}

/// A path for HTTP/2. Characters that the library does not support are percent-encoded, while Envoy forwards them unchanged.
fn path_and_query(path: &str) -> Option<PathAndQuery> {
    path.parse().ok().or_else(|| {
        let encoded = |c: char| if "\"<>\\^`{|}".contains(c) { format!("%{:02X}", u32::from(c)) } else { c.into() };
        path.chars().map(encoded).collect::<String>().parse().ok()
    })
}
