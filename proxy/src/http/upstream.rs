//! Speaking HTTP to an endpoint.

use std::error::Error as _;

use envoy_api::ExplicitHttpConfig;
use http::{HeaderName, HeaderValue, Request, Uri, header, uri::Authority};

use super::sniff::Version;
use crate::{
    cluster::{Cluster, ConnectFailure},
    outcome::{Outcome, UpstreamReset},
};

/// A try that brought no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// Whether any of the request may have reached the upstream.
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

/// The version that a cluster is spoken to in, for a request that came in that one.
pub(super) fn version(cluster: &Cluster, downstream: Version) -> Version {
    let Some(options) = cluster.http_options() else { return Version::Http1 };
    match &options.explicit_http_config {
        Some(ExplicitHttpConfig::Http2ProtocolOptions(_)) => Version::Http2,
        None if options.use_downstream_protocol_config.is_some() => downstream,
        Some(ExplicitHttpConfig::HttpProtocolOptions(_)) | None => Version::Http1,
    }
}

/// The protocol's name, as access logs have it.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::Http1 => "HTTP/1.1",
        Version::Http2 => "HTTP/2",
    }
}

/// The ALPN that is offered where nothing else is said.
pub(super) fn alpn(version: Version) -> &'static [String] {
    use std::sync::LazyLock;
    static HTTP1: LazyLock<[String; 1]> = LazyLock::new(|| ["http/1.1".into()]);
    static HTTP2: LazyLock<[String; 1]> = LazyLock::new(|| ["h2".into()]);
    match version {
        Version::Http1 => &*HTTP1,
        Version::Http2 => &*HTTP2,
    }
}

/// Envoy's words for a reset.
pub(super) fn reason(reset: UpstreamReset) -> &'static str {
    match reset {
        UpstreamReset::ConnectionTermination => "connection termination",
        UpstreamReset::RemoteReset => "remote reset",
        UpstreamReset::RemoteRefused => "remote refused stream reset",
        UpstreamReset::ProtocolError => "protocol error",
    }
}

/// The details of a response that broke off.
pub(super) fn reset_after_response(reset: UpstreamReset) -> String {
    format!("upstream_reset_after_response_started{{{}}}", reason(reset)).replace(' ', "_")
}

/// What an error of HTTP/1 says of the upstream.
pub(super) fn http1_reset(error: &hyper::Error) -> UpstreamReset {
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        UpstreamReset::ProtocolError
    } else {
        UpstreamReset::ConnectionTermination
    }
}

/// What an error of HTTP/2 says of the upstream.
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

/// Moves a request's host into its URI, where HTTP/2 has it.
pub(super) fn with_authority(request: &mut Request<()>) {
    let host = request.headers_mut().remove(header::HOST);
    let scheme = match request.headers().get(HeaderName::from_static("x-forwarded-proto")).map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        _ => "http",
    };
    let Some(authority) = host.and_then(|host| Authority::try_from(host.as_bytes()).ok()) else { return };
    let mut uri = Uri::builder().scheme(scheme).authority(authority);
    if let Some(path) = request.uri().path_and_query() {
        uri = uri.path_and_query(path.clone());
    }
    if let Ok(uri) = uri.build() {
        *request.uri_mut() = uri;
    }
}
