//! One request, from its head to its access log entry.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use thiserror::Error;

use super::{
    body::{Progress, ResponseBody},
    config::Hcm,
    connection::Connection,
    grpc, headers,
};
use crate::{
    access_log::{Entry, HttpFacts},
    stats::Held,
    stream_info::StreamInfo,
};
use envoy_rules::{
    codec::HttpVersion,
    outcome::{Answer, Outcome},
};

/// A request and its outcome. The log entry is written on drop, which is when the response has been forwarded, or the
/// downstream has closed.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) stream: StreamInfo,
    pub(super) http: HttpFacts,
    /// Progress of the request's body.
    pub(super) progress: Arc<Progress>,
    connection: Arc<Connection>,
    /// Whether the outcome is known. If dropped before, the downstream has closed.
    settled: bool,
    _active: Held,
}

/// The downstream has closed, so no response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the downstream closed the connection")]
pub(super) struct Abandoned;

/// A response that the proxy generates itself.
#[derive(Debug)]
pub(super) struct LocalReply {
    pub(super) status: StatusCode,
    pub(super) body: Cow<'static, str>,
    pub(super) outcome: Outcome,
    /// Whether the connection is closed afterwards.
    pub(super) close: bool,
}

impl LocalReply {
    /// A reply that keeps the connection open.
    pub(super) fn new(status: StatusCode, body: impl Into<Cow<'static, str>>, outcome: Outcome) -> Self {
        Self { status, body: body.into(), outcome, close: false }
    }

    /// The reply for an outcome.
    pub(super) fn for_outcome(answer: Answer, outcome: Outcome) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self::new(status, answer.body, outcome)
    }

    /// Closes the connection after the reply.
    pub(super) fn closing(self) -> Self {
        Self { close: true, ..self }
    }
}

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

    /// Sends a local reply.
    pub(super) fn reply(mut self: Box<Self>, reply: LocalReply) -> Response<ResponseBody> {
        let LocalReply { status, body, outcome, close } = reply;
        self.settle(outcome);
        let request = self.http.request.as_ref();
        let is_head = request.is_some_and(|request| request.method == http::Method::HEAD);
        let is_http2 = self.connection.version == HttpVersion::Http2;
        let mut response = if request.is_some_and(|request| grpc::is_grpc(&request.headers)) {
            let headers = grpc::reply_headers(status, &body);
            self.respond(StatusCode::OK, headers, |exchange| ResponseBody::local(Bytes::new(), exchange))
        } else {
            let mut headers = HeaderMap::new();
            if !body.is_empty() {
                headers.insert(header::CONTENT_LENGTH, body.len().into());
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            }
            self.stream.bytes_sent = if is_head { 0 } else { body.len() as u64 };
            self.respond(status, headers, |exchange| ResponseBody::local(Bytes::from(body.into_owned()), exchange))
        };
        if close && !is_http2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Builds a response, adding the headers that every response gets.
    pub(super) fn respond(
        mut self: Box<Self>,
        status: StatusCode,
        headers: HeaderMap,
        body: impl FnOnce(Box<Self>) -> ResponseBody,
    ) -> Response<ResponseBody> {
        let head = self.record_response(status, headers);
        head.map(|()| body(self))
    }

    fn record_response(&mut self, status: StatusCode, mut headers: HeaderMap) -> Response<()> {
        headers::finish_response(&mut headers, self.hcm());
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
        self.hcm().logs.log(&Entry { stream: &self.stream, http: Some(&self.http) });
        self.connection.exchange_ended();
    }
}
