//! HTTP on a server's ports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demo_args::Protocol;
use futures_util::TryStreamExt as _;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TRAILER};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

use super::body::{AnyBody, filling, whole};
use super::context::{Context, Ends, with_host};
use super::drained::Drained;
use super::forward::forward;
use super::httpbin::{Asked, Echo, LONGEST_BODY, Page};
use super::respond::{Content, refuse, respond, with_type};
use super::shared::Shared;
use super::websocket::Pending;
use super::{admission, grpc, websocket};
use crate::client::{PROBE_HEADER, chain};
use crate::duration;
use crate::failure::{Cause, Failure, FailureKind, Stage, escaped};
use crate::grpc::{SERVICE, is_grpc};
use crate::otlp;
use crate::report::{Seen, ServerTls};
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
    let context = Arc::new(Context { protocol, ends, tls, shared: Arc::clone(shared) });
    let upgrade = Arc::new(Pending::default());
    let service = service_fn({
        let (context, upgrade) = (Arc::clone(&context), Arc::clone(&upgrade));
        move |request| answer(request, Arc::clone(&context), Arc::clone(&upgrade))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Half-close: a client that has sent its request and FIN still gets its response.
    builder.http1().half_close(true);
    if protocol == Protocol::Http1 {
        builder = builder.http1_only();
    }
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(Drained::new(io)), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shared.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let (Ok(()), Some(granted)) = (&result, upgrade.take()) {
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

async fn answer(
    request: Request<Incoming>,
    context: Arc<Context>,
    upgrade: Arc<Pending>,
) -> Result<Response<AnyBody>, NotHttp2> {
    if context.protocol == Protocol::Http2 && request.version() != Version::HTTP_2 {
        return Err(NotHttp2);
    }
    let probe = request.headers().get(PROBE_HEADER).cloned();
    let mut response = if is_grpc(request.headers()) || request.uri().path().starts_with(SERVICE) {
        grpc::answer(request, context).await
    } else {
        route(request, &context, &upgrade).await
    };
    if let Some(probe) = probe {
        response.headers_mut().insert(PROBE_HEADER, probe);
    }
    Ok(response)
}

async fn route(request: Request<Incoming>, context: &Context, upgrade: &Pending) -> Response<AnyBody> {
    let path = request.uri().path().to_owned();
    if let (Protocol::Webhook, Some(rule)) = (context.protocol, admission::Rule::from_path(&path)) {
        return admission::answer(request, rule, context).await;
    }
    if let Some(page) = Page::from_path(&path) {
        return match page {
            Ok(page) => page_of_httpbin(page, request, context).await,
            Err(why) => refuse(request, context, StatusCode::BAD_REQUEST, &why).await,
        };
    }
    let mut parts = path.splitn(3, '/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("echo"), None) => match Echo::from_query(request.uri().query()) {
            Ok(asked) => echo(request, context, asked).await,
            Err(why) => refuse(request, context, StatusCode::BAD_REQUEST, &format!("/echo: {why}")).await,
        },
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
        (Some("forward"), Some(_)) => forward_to(request, context).await,
        (Some("v1"), Some("traces")) => traces(request, context).await,
        (Some("trailers"), None) => trailers(request, context).await,
        (Some("ws"), None) => websocket::upgrade(request, context, upgrade).await,
        _ => respond(request, context, StatusCode::OK, seen_content).await,
    }
}

/// The response that says what was seen.
fn seen_content(seen: &Seen) -> (Content, AnyBody) {
    // Strings and numbers can always be serialized.
    let mut json = serde_json::to_vec(seen).unwrap_or_default();
    json.push(b'\n');
    (Content::Json, whole(json))
}

/// Calls on, and then answers.
async fn forward_to(request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    match forward(path.trim_start_matches("/forward/"), request.headers()).await {
        Ok(status) => respond(request, context, status, seen_content).await,
        Err(why) => refuse(request, context, StatusCode::BAD_REQUEST, &why).await,
    }
}

/// Takes spans, as a collector does (OTLP over HTTP).
async fn traces(request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LONGEST_BODY).collect().await.map(Collected::to_bytes).unwrap_or_default();
    let status = match otlp::read(&body) {
        Ok(spans) => {
            context.log_spans(spans);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    };
    context.log(status, context.seen(&head, body.len() as u64));
    with_type(status, Content::Protobuf, whole(""))
}

/// Answers with one of httpbin's pages.
async fn page_of_httpbin(page: Page, request: Request<Incoming>, context: &Context) -> Response<AnyBody> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("a body is at most {LONGEST_BODY} bytes\n");
            return with_type(StatusCode::PAYLOAD_TOO_LARGE, Content::Text, whole(why));
        }
        // A body that breaks off ends the connection as well; hyper sees to that.
        Err(_) => Bytes::new(),
    };
    tokio::time::sleep(page.delay()).await;
    let answer = page.answer(&Asked {
        method: head.method.as_str(),
        headers: with_host(&head),
        origin: context.origin(&head.headers),
        url: context.url(&head),
        query: head.uri.query(),
        body: &body,
    });
    context.log(StatusCode::OK, context.seen(&head, body.len() as u64));
    with_type(StatusCode::OK, Content::Json, whole(format!("{answer:#}\n")))
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

/// Echoes the body as it is received, or a filler if the query requests one.
async fn echo(request: Request<Incoming>, context: &Context, asked: Echo) -> Response<AnyBody> {
    tokio::time::sleep(asked.delay).await;
    let (head, body) = request.into_parts();
    // The log contains the announced length; a streamed body has none.
    let seen = context.seen(&head, body.size_hint().exact().unwrap_or(0));
    context.log(asked.status, seen);
    let mut response = with_type(asked.status, Content::Bytes, asked.body().unwrap_or_else(|| body.boxed()));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}
