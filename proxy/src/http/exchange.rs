//! One request, from its head to its access log entry.

use std::sync::Arc;

use envoy_api::ClusterWeight;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use thiserror::Error;

use super::{
    body::Progress, config::Hcm, connection::Connection, headers, peer_metadata::Received, route::RouteEntry,
    trace::Trace,
};
use crate::{
    access_log::{Entry, HttpFacts},
    stats::Held,
    stream_info::StreamInfo,
};
use envoy_rules::{codec::HttpVersion, outcome::Outcome};

/// A request and its outcome. The log entry is written on drop, which is when the response has been forwarded, or the
/// downstream has closed.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) stream: StreamInfo,
    pub(super) http: HttpFacts,
    /// Progress of the request's body.
    pub(super) progress: Arc<Progress>,
    pub(super) connection: Arc<Connection>,
    /// The route that it was sent by, and its cluster among several.
    pub(super) route: Option<(Arc<RouteEntry>, Option<ClusterWeight>)>,
    /// Headers that the CORS filter adds to its response.
    pub(super) of_cors: HeaderMap,
    /// Cookies that its response sets, so that the next request goes to the same endpoint.
    pub(super) set_cookies: Vec<HeaderValue>,
    /// How the caller's sidecar has introduced itself.
    pub(super) received: Received,
    /// Its spans, if it is traced.
    pub(super) trace: Option<Trace>,
    /// Whether the outcome is known. If dropped before, the downstream has closed.
    settled: bool,
    _active: Held,
}

/// The downstream has closed, so no response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the downstream closed the connection")]
pub(super) struct Abandoned;

impl Exchange {
    /// Starts a request whose head has just been read, in this protocol.
    pub(super) fn begin(connection: &Arc<Connection>, protocol: &'static str) -> Box<Self> {
        let stats = &connection.hcm.stats;
        connection.exchange_begun();
        stats.requests.inc();
        if protocol == "HTTP/2" { &stats.requests_http2 } else { &stats.requests_http1 }.inc();
        Box::new(Self {
            stream: StreamInfo::begin(connection.info.clone()),
            http: HttpFacts { protocol: Some(protocol), ..HttpFacts::default() },
            progress: Arc::default(),
            route: None,
            of_cors: HeaderMap::new(),
            set_cookies: vec![],
            received: Received::default(),
            trace: None,
            settled: false,
            _active: stats.requests_active.hold(),
            connection: connection.clone(),
        })
    }

    pub(super) fn hcm(&self) -> &Hcm {
        &self.connection.hcm
    }

    /// Records the outcome.
    pub(super) fn settle(&mut self, outcome: Outcome) {
        self.stream.outcome = outcome;
        self.settled = true;
    }

    /// Confirms the outcome that has been recorded.
    pub(super) fn settle_as_recorded(&mut self) {
        self.settled = true;
    }

    /// Builds a response, adding the headers that every response gets.
    pub(super) fn respond<B>(
        mut self: Box<Self>,
        status: StatusCode,
        headers: HeaderMap,
        body: impl FnOnce(Box<Self>) -> B,
    ) -> Response<B> {
        let head = self.record_response(status, headers);
        head.map(|()| body(self))
    }

    fn record_response(&mut self, status: StatusCode, mut headers: HeaderMap) -> Response<()> {
        headers::finish_response(&mut headers, self.hcm());
        if let (Some(peers), Some(own)) = (&self.hcm().peers, self.hcm().introduction()) {
            peers.answer(&mut headers, own, self.received);
        }
        let tracing = self.connection.hcm.tracing.as_ref();
        if let (Some(tracing), Some(trace)) = (tracing, &mut self.trace) {
            tracing.respond(trace, &mut headers);
        }
        self.stream.response_code = Some(status.as_u16());
        self.http.response_duration = self.stream.upstream.is_some().then(|| self.stream.started.elapsed());
        self.http.response = self
            .hcm()
            .logged_response_headers
            .iter()
            .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())))
            .collect();
        self.hcm().stats.responded(status.as_u16());
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.settled {
            if self.connection.version == HttpVersion::Http2 && !self.connection.has_ended() {
                self.settle(Outcome::DownstreamReset);
            } else {
                self.settle(Outcome::DownstreamClosed);
            }
            self.hcm().stats.resets.inc();
        }
        self.stream.bytes_received = self.progress.bytes();
        self.http.request_duration = self.progress.finished_after(self.stream.started);
        self.stream.end();
        let entry = Entry { stream: &self.stream, http: Some(&self.http) };
        self.hcm().logs.log(&entry);
        let cluster = || self.stream.cluster.as_deref().and_then(|name| self.connection.worker.cluster(name));
        if let (Some(tracing), Some(trace)) = (&self.connection.hcm.tracing, self.trace.take()) {
            let cluster = cluster();
            tracing.end(trace, &entry, cluster.as_ref().map(|cluster| cluster.config().alt_stat_name.as_str()));
        }
        if let Some(reporter) = &self.hcm().reporter {
            let cluster = cluster();
            reporter.request(&entry, cluster.as_ref().and_then(|cluster| cluster.config().metadata.as_ref()));
        }
        self.connection.exchange_ended();
    }
}
