//! What a line of an access log is formatted from.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use envoy_rules::{
    codec::HttpVersion,
    outcome::{Flags, Outcome},
};
use http::{HeaderMap, Method};

use crate::stream_info::StreamInfo;

/// The facts that a line is formatted from.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Facts about the session or request.
    pub stream: &'a StreamInfo,
    /// Facts that only requests have.
    pub http: Option<&'a HttpFacts>,
}

/// The facts about a request that its [`StreamInfo`] lacks.
#[derive(Clone, Debug, Default)]
pub struct HttpFacts {
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: Option<&'static str>,
    /// The request as it was, or would have been, sent upstream; `None` if none could be parsed.
    pub request: Option<RequestHead>,
    /// The response headers that some log needs ([`response_headers`](super::AccessLogs::response_headers)).
    pub response: HeaderMap,
    /// Trailers of the response.
    pub trailers: HeaderMap,
    /// The client's address, if `x-forwarded-for` contains one.
    pub client: Option<SocketAddr>,
    /// HTTP version of the upstream request.
    pub upstream_protocol: Option<HttpVersion>,
    /// Number of attempts; 0 if it was never sent upstream.
    pub attempts: u32,
    /// Time of its last byte, since its start.
    pub request_duration: Option<Duration>,
    /// Time of the first byte of the response, since the start of the request.
    pub response_duration: Option<Duration>,
    /// Time from the first byte of the response until the last one was forwarded.
    pub response_tx_duration: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct RequestHead {
    pub method: Method,
    /// Path with query, possibly normalized; `None` for CONNECT.
    pub path: Option<String>,
    /// Headers; `host` is the `:authority`.
    pub headers: HeaderMap,
}

impl Entry<'_> {
    /// `RESPONSE_FLAGS`.
    pub(crate) fn flags(&self) -> Flags {
        let StreamInfo { outcome, more_flags, .. } = self.stream;
        if self.http.is_some() { more_flags.union(outcome.flags()) } else { outcome.session_flags() }
    }

    /// `RESPONSE_CODE_DETAILS` of a request, or of a connection without a filter chain.
    pub(super) fn details(&self) -> Option<Cow<'static, str>> {
        let outcome = &self.stream.outcome;
        (self.http.is_some() || *outcome == Outcome::NoFilterChainMatch)
            .then(|| outcome.details())
            .filter(|details| !details.is_empty())
    }
}
