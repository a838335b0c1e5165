//! HTTP on a server's ports.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRAILER};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use super::body::{AnyBody, filling, whole};
use super::connection::Ends;
use super::drained::Drained;
use super::websocket::Pending;
use super::{Protocol, Shared, admission, grpc, websocket};
use crate::client::{PROBE_HEADER, chain};
use crate::duration;
use crate::failure::{Cause, Failure, FailureKind, Stage, escaped};
use crate::grpc::{SERVICE, is_grpc};
use crate::report::{Event, SEEN_SCHEMA, Seen, ServerTls, headers_of};
use crate::tap::{Account, Io, Tap};

/// A trailer of `/trailers`.
const APP_TRAILER: HeaderName = HeaderName::from_static("x-sidelab-app");
const BODY_BYTES_TRAILER: HeaderName = HeaderName::from_static("x-sidelab-body-bytes");

/// Serves HTTP/1.1 or HTTP/2, as detected from the client's first bytes, until the connection ends or the server stops; and
/// then the websocket that the connection may have been upgraded to.
pub(super) async fn serve(
    protocol: Protocol,
    io: Tap<Box<dyn Io>>,
    account: &Account,
    ends: Ends,
    tls: Option<ServerTls>,
    shared: &Arc<Shared>,
) -> Result<(), Failure> {
    let context = Arc::new(Context { protocol, ends, tls, shared: Arc::clone(shared), websocket: Pending::default() });
    let service = service_fn({
        let context = Arc::clone(&context);
        move |request| answer(request, Arc::clone(&context))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Half-close: a client that has sent its request and FIN still gets its response.
    builder.http1().half_close(true);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(Drained::new(io)), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let (Ok(()), Some(granted)) = (&result, context.websocket.take()) {
        return websocket::serve(granted, account, &context).await;
    }
    result.map_err(|error| {
        let flow = account.read();
        if let Some((stage, cause)) = flow.failed {
            return cause.at(stage);
        }
        let kind = FailureKind::HttpParse { first_bytes: escaped(&flow.head) };
        Cause::new(kind, format!("the request is not HTTP, or is incomplete: {}", chain(&*error))).at(Stage::Http)
    })
}

/// Closes a connection without a response, like a server that supports only HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("this port supports only HTTP/2")]
struct NotHttp2;

/// What the requests of one connection share.
pub(super) struct Context {
    protocol: Protocol,
    ends: Ends,
    tls: Option<ServerTls>,
    shared: Arc<Shared>,
    websocket: Pending,
}

async fn answer(request: Request<Incoming>, context: Arc<Context>) -> Result<Response<AnyBody>, NotHttp2> {
    if context.protocol == Protocol::Http2 && request.version() != Version::HTTP_2 {
        return Err(NotHttp2);
    }
    let probe = request.headers().get(PROBE_HEADER).cloned();
    let mut response = if is_grpc(request.headers()) || request.uri().path().starts_with(SERVICE) {
        grpc::answer(request, context).await
    } else {
        route(request, &context).await
    };
    if let Some(probe) = probe {
        response.headers_mut().insert(PROBE_HEADER, probe);
    }
    Ok(response)
}

async fn route(request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let path = request.uri().path().to_owned();
    if let (Protocol::Webhook, Some(rule)) = (context.protocol, admission::Rule::at(&path)) {
        return admission::answer(request, rule, context).await;
    }
    let mut parts = path.splitn(3, '/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("echo"), None) => echo(request, context),
        (Some("bytes"), Some(n)) => match n.parse() {
            Ok(n) => respond(request, context, StatusCode::OK, |_| (Content::Bytes, filling(n))).await,
            Err(_) => refuse(request, context, StatusCode::BAD_REQUEST, "/bytes/N: N is a number of bytes").await,
        },
        (Some("status"), Some(status)) => match status.parse() {
            Ok(status) => respond(request, context, status, seen_content).await,
            Err(_) => {
                refuse(request, context, StatusCode::BAD_REQUEST, "/status/N: N is a status from 100 to 999").await
            }
        },
        // A bare number is in milliseconds.
        (Some("slow"), Some(time)) => {
            match time.parse().map_or_else(|_| duration::parse(time), |ms| Ok(Duration::from_millis(ms))) {
                Ok(time) => {
                    tokio::time::sleep(time).await;
                    respond(request, context, StatusCode::OK, seen_content).await
                }
                Err(why) => refuse(request, context, StatusCode::BAD_REQUEST, &format!("/slow/TIME: {why}")).await,
            }
        }
        (Some("trailers"), None) => trailers(request, context).await,
        (Some("ws"), None) => websocket::upgrade(request, context, &context.websocket).await,
        _ => respond(request, context, StatusCode::OK, seen_content).await,
    }
}

#[derive(Clone, Copy)]
pub(super) enum Content {
    Bytes,
    Json,
    Text,
}

/// The response that says what was seen.
fn seen_content(seen: &Seen) -> (Content, AnyBody) {
    // Strings and numbers can always be serialized.
    let mut json = serde_json::to_vec(seen).unwrap_or_default();
    json.push(b'\n');
    (Content::Json, whole(json))
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

/// What was seen, followed by trailers: the server's name, and the length of the body. HTTP/1.1 sends trailers only to
/// clients that send `te: trailers`.
async fn trailers(request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let mut response = respond(request, context, StatusCode::OK, |seen| {
        let (content, body) = seen_content(seen);
        let mut trailers = HeaderMap::new();
        trailers.insert(BODY_BYTES_TRAILER, body.size_hint().exact().unwrap_or(0).into());
        // A name that is not a valid header value is omitted.
        if let Ok(app) = HeaderValue::from_str(&seen.app) {
            trailers.insert(APP_TRAILER, app);
        }
        // HTTP/1.1 has no trailers after a body of known length.
        let unknown_length = StreamBody::new(body.into_data_stream().map_ok(Frame::data));
        (content, unknown_length.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed())
    })
    .await;
    for name in [APP_TRAILER, BODY_BYTES_TRAILER] {
        response.headers_mut().append(TRAILER, name.into());
    }
    response
}

/// Reads the request to its end, then responds.
async fn respond(
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

/// Echoes the body as it is received.
fn echo(request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let (head, body) = request.into_parts();
    // The log contains the announced length; a streamed body has none.
    let seen = context.seen(&head, body.size_hint().exact().unwrap_or(0));
    context.log(StatusCode::OK, seen);
    let mut response = with_type(StatusCode::OK, Content::Bytes, body.boxed());
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}

pub(super) fn with_type(status: StatusCode, content: Content, body: AnyBody) -> Response<AnyBody> {
    let content = HeaderValue::from_static(match content {
        Content::Bytes => "application/octet-stream",
        Content::Json => "application/json",
        Content::Text => "text/plain; charset=utf-8",
    });
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

impl Context {
    pub(super) fn seen(&self, head: &http::request::Parts, body_bytes: u64) -> Seen {
        Seen {
            schema: SEEN_SCHEMA.to_owned(),
            app: self.shared.name.to_string(),
            peer: self.ends.peer,
            local: self.ends.local,
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            version: format!("{:?}", head.version),
            headers: headers_of(&with_host(head)),
            body_bytes,
            tls: self.tls.clone(),
            grpc: None,
            websocket: None,
        }
    }

    /// Completes when the server is to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.shared.stopped()
    }

    pub(super) fn log(&self, status: StatusCode, seen: Seen) {
        self.shared.log(|| Event::Request { status: status.as_u16(), seen: Box::new(seen) });
    }
}

/// Adds HTTP/2's `:authority` as `host`.
fn with_host(head: &http::request::Parts) -> HeaderMap {
    let mut headers = head.headers.clone();
    if let (None, Some(authority)) = (headers.get(HOST), head.uri.authority())
        && let Ok(value) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, value);
    }
    headers
}
