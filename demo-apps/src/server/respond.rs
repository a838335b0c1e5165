//! Responses to requests that have been read to their end.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::{AnyBody, whole};
use super::context::Context;
use crate::report::Seen;

/// The type of a response's body.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Bytes,
    Json,
    Protobuf,
    Text,
}

/// The response to a request that cannot be served.
pub(super) async fn refuse(
    request: Request<Incoming>,
    context: &Context,
    status: StatusCode,
    why: &str,
) -> Response<AnyBody> {
    respond(request, context, status, |_| (Content::Text, whole(format!("{why}\n")))).await
}

/// Reads the request to its end, then responds.
pub(super) async fn respond(
    request: Request<Incoming>,
    context: &Context,
    status: StatusCode,
    make: impl FnOnce(&Seen) -> (Content, AnyBody),
) -> Response<AnyBody> {
    let (head, mut body) = request.into_parts();
    let mut body_bytes = 0;
    // If the body is cut short, hyper closes the connection.
    while let Some(Ok(frame)) = body.frame().await {
        body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    let seen = context.seen(&head, body_bytes);
    let (content, body) = make(&seen);
    let response = with_type(status, content, body);
    context.log(status, seen);
    response
}

/// A response with the body's content type.
pub(super) fn with_type(status: StatusCode, content: Content, body: AnyBody) -> Response<AnyBody> {
    let content = HeaderValue::from_static(match content {
        Content::Bytes => "application/octet-stream",
        Content::Json => "application/json",
        Content::Protobuf => "application/x-protobuf",
        Content::Text => "text/plain; charset=utf-8",
    });
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}
