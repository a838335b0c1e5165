//! Responses that the proxy generates itself.

use std::borrow::Cow;

use bytes::Bytes;
use envoy_rules::{
    codec::HttpVersion,
    outcome::{Answer, Outcome},
    rewrite::Mutations,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{body::ResponseBody, exchange::Exchange, grpc, route::RouteEntry};
use crate::access_log::Entry;

/// A response that the proxy generates itself.
#[derive(Debug)]
pub(super) struct LocalReply {
    pub(super) status: StatusCode,
    pub(super) body: Cow<'static, str>,
    pub(super) outcome: Outcome,
    /// Whether the connection is closed afterwards.
    pub(super) close: bool,
    /// More headers.
    pub(super) headers: HeaderMap,
    /// The status of gRPC, where that of HTTP does not decide it.
    pub(super) grpc_status: Option<u32>,
}

impl LocalReply {
    /// A reply that keeps the connection open.
    pub(super) fn new(status: StatusCode, body: impl Into<Cow<'static, str>>, outcome: Outcome) -> Self {
        Self { status, body: body.into(), outcome, close: false, headers: HeaderMap::new(), grpc_status: None }
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
    /// Sends a local reply with the headers that its route adds.
    pub(super) fn reply_of_route(self: Box<Self>, mut reply: LocalReply, route: &RouteEntry) -> Response<ResponseBody> {
        let mutations = Mutations::of_response(&route.configured, None);
        if !mutations.is_empty() {
            let entry = Entry { stream: &self.stream, http: Some(&self.http) };
            mutations.apply(&mut reply.headers, |text| route.value(text, &entry));
        }
        self.reply(reply)
    }

    /// Sends a local reply.
    pub(super) fn reply(mut self: Box<Self>, reply: LocalReply) -> Response<ResponseBody> {
        let LocalReply { status, body, outcome, close, headers: more, grpc_status } = reply;
        self.settle(outcome);
        let request = self.http.request.as_ref();
        let is_head = request.is_some_and(|request| request.method == http::Method::HEAD);
        let is_http2 = self.connection.version == HttpVersion::Http2;
        let mut response = if request.is_some_and(|request| grpc::is_grpc(&request.headers)) {
            let mut headers = grpc::reply_headers(status, &body, grpc_status);
            headers.extend(more);
            self.respond(StatusCode::OK, headers, |exchange| ResponseBody::local(Bytes::new(), exchange))
        } else {
            let mut headers = more;
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
