//! Responses that the proxy generates itself.

use std::borrow::Cow;

use bytes::Bytes;
use envoy_rules::{
    codec::HttpVersion,
    outcome::{Answer, Outcome},
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{body::ResponseBody, exchange::Exchange, grpc};

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
}
