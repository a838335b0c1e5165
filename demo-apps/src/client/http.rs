//! One HTTP request, over HTTP/1.1 or HTTP/2.

use std::error::Error as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::head::{Head, PROBE_HEADER, headers};
use super::{CLOSE_TIMEOUT, CallArgs, Clock, Connection, filling};
use crate::failure::{Cause, Failure, FailureKind, Stage, escaped};
use crate::report::{Body, Ended, HttpFacts, headers_of};
use crate::tap::Account;
use crate::{Target, UsageError};

/// A request that can be sent repeatedly.
pub(crate) struct Request {
    http1: http::Request<Full<Bytes>>,
    http2: http::Request<Full<Bytes>>,
    fail: bool,
}

impl Request {
    pub(crate) fn new(args: &CallArgs) -> Result<Self, UsageError> {
        if args.server_first || args.half_close || args.expect.is_some() {
            return Err(UsageError("--server-first, --half-close and --expect are only for tcp:// and tls://".into()));
        }
        if args.messages.is_some() {
            return Err(UsageError("--messages is only for grpc(s):// and ws(s)://".into()));
        }
        let body = match (&args.data, args.bytes) {
            (Some(text), _) => Some(Bytes::from(text.clone())),
            (None, Some(n)) => Some(filling(n)),
            (None, None) => None,
        };
        let mut request = Self::with(&args.target, args.method.as_deref(), headers(args)?, body, args.fail)?;
        if args.http10 {
            if args.connect.http2 {
                return Err(UsageError("--http1.0 and --http2 contradict each other".into()));
            }
            *request.http1.version_mut() = Version::HTTP_10;
        }
        Ok(request)
    }

    /// A load's request, with a body of `upload` bytes unless that is 0.
    pub(crate) fn plain(target: &Target, upload: usize) -> Result<Self, UsageError> {
        let body = (upload > 0).then(|| filling(upload));
        Self::with(target, None, HeaderMap::new(), body, false)
    }

    /// The same request with another body.
    pub(crate) fn with_body(&self, body: &Bytes) -> Self {
        let replaced = |request: &http::Request<Full<Bytes>>| {
            let mut request = request.clone();
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            *request.body_mut() = Full::new(body.clone());
            request
        };
        Self { http1: replaced(&self.http1), http2: replaced(&self.http2), fail: self.fail }
    }

    /// [`plain`](Self::plain) with a mark in a header.
    pub(crate) fn marked(target: &Target, upload: usize, marker: &str) -> Result<Self, UsageError> {
        let marker = HeaderValue::from_str(marker)
            .map_err(|_| UsageError(format!("--marker {marker:?} is not a header's value")))?;
        let body = (upload > 0).then(|| filling(upload));
        Self::with(target, None, HeaderMap::from_iter([(HeaderName::from_static(PROBE_HEADER), marker)]), body, false)
    }

    fn with(
        target: &Target,
        method: Option<&str>,
        mut headers: HeaderMap,
        body: Option<Bytes>,
        fail: bool,
    ) -> Result<Self, UsageError> {
        let method = match (method, &body) {
            (Some(method), _) => {
                method.parse().map_err(|_| UsageError(format!("--method {method:?} is not an HTTP method")))?
            }
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        if let Some(body) = &body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let head = Head::new(target, &target.path, method, headers)?;
        let body = Full::new(body.unwrap_or_default());
        Ok(Self { http1: head.http1(body.clone())?, http2: head.http2(body)?, fail })
    }

    /// The message to send on a connection of this version.
    pub(crate) fn message(&self, http2: bool) -> http::Request<Full<Bytes>> {
        if http2 { self.http2.clone() } else { self.http1.clone() }
    }

    /// Sends the request. `answer` receives what was read, even if the call fails.
    pub(super) async fn run(
        &self,
        connection: Connection,
        clock: &Clock,
        answer: &mut Option<HttpFacts>,
    ) -> Result<(), Failure> {
        let account = connection.account.clone();
        let http2 = connection.http2;
        let message = self.message(http2);
        let mut session = clock.run(Stage::Send, None, HttpSession::open(connection)).await?;
        let response = clock.run(Stage::Receive, None, session.send(message)).await?;
        let (head, mut incoming) = response.into_parts();
        let facts = answer.insert(facts_of(&head));
        let mut kept = Vec::new();
        let read = read_body(&mut incoming, facts, &mut kept, &account, http2);
        let read = clock.run(Stage::Receive, None, read).await;
        clock.stop();
        facts.body = Body::from_bytes(&kept);
        session.close().await;
        read?;
        if self.fail && facts.status >= 400 {
            let kind = FailureKind::HttpStatus { status: facts.status };
            return Err(Cause::new(kind, format!("the response has status {}", head.status)).at(Stage::Http));
        }
        Ok(())
    }
}

/// The facts of a response's head; the body is still to be read.
pub(super) fn facts_of(head: &http::response::Parts) -> HttpFacts {
    HttpFacts {
        version: format!("{:?}", head.version),
        status: head.status.as_u16(),
        headers: headers_of(&head.headers),
        body: Body::Text(String::new()),
        body_bytes: 0,
        trailers: Vec::new(),
    }
}

/// Reads a body to its end. `kept` receives its first [`Body::LIMIT`] bytes, even if the body is cut short.
pub(super) async fn read_body(
    incoming: &mut Incoming,
    facts: &mut HttpFacts,
    kept: &mut Vec<u8>,
    account: &Account,
    http2: bool,
) -> Result<(), Failure> {
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| failure_of(&error, account, http2))?;
        if let Some(data) = frame.data_ref() {
            facts.body_bytes += data.len() as u64;
            let room = (Body::LIMIT - kept.len()).min(data.len());
            kept.extend_from_slice(&data[..room]);
        }
        if let Some(trailers) = frame.trailers_ref() {
            facts.trailers = headers_of(trailers);
        }
    }
    Ok(())
}

/// A connection for HTTP requests with bodies of type `B`.
pub(crate) struct HttpSession<B = Full<Bytes>> {
    sender: Sender<B>,
    driver: JoinHandle<()>,
    account: Account,
}

enum Sender<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

impl<B> HttpSession<B>
where
    B: HttpBody<Error: Into<Box<dyn std::error::Error + Send + Sync>>, Data: Send> + Send + Unpin + 'static,
{
    pub(crate) async fn open(connection: Connection) -> Result<Self, Failure> {
        let Connection { io, account, http2, .. } = connection;
        let failed = |error: hyper::Error| failure_of(&error, &account, http2);
        // If the connection task fails, so does the request in flight, which reports it.
        let (sender, driver) = if http2 {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.map_err(failed)?;
            (Sender::Http2(sender), tokio::spawn(async { drop(driver.await) }))
        } else {
            let (sender, driver) = http1::handshake(TokioIo::new(io)).await.map_err(failed)?;
            // A websocket takes over the connection.
            let driver = driver.with_upgrades();
            (Sender::Http1(sender), tokio::spawn(async { drop(driver.await) }))
        };
        Ok(Self { sender, driver, account })
    }

    /// Sends a request once the connection is ready for it, and waits for the response's head.
    pub(crate) async fn send(&mut self, message: http::Request<B>) -> Result<Response<Incoming>, Failure> {
        let result = match &mut self.sender {
            Sender::Http1(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(message).await,
                Err(error) => Err(error),
            },
            Sender::Http2(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(message).await,
                Err(error) => Err(error),
            },
        };
        result.map_err(|error| failure_of(&error, &self.account, matches!(self.sender, Sender::Http2(_))))
    }

    /// Waits until another request can be sent; false if the server lets none follow, by `connection: close`, GOAWAY or its end.
    pub(crate) async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Completes when the server has ended the connection, which can then no longer be closed in order.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.driver).await;
    }

    /// Closes in order: `close_notify`, FIN.
    pub(crate) async fn close(self) {
        drop(self.sender);
        let mut driver = self.driver;
        if tokio::time::timeout(CLOSE_TIMEOUT, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}

/// The tap's account says more than hyper's error, which only says that the exchange failed.
pub(crate) fn failure_of(error: &hyper::Error, account: &Account, http2: bool) -> Failure {
    let flow = account.read();
    let text = chain(error);
    if error.is_parse() || (http2 && !starts_as_http2(&flow.head)) {
        let kind = FailureKind::HttpParse { first_bytes: escaped(&flow.head) };
        let spoken = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        return Cause::new(kind, format!("the response is not {spoken}: {text}")).at(Stage::Http);
    }
    // An explicit GOAWAY or RST_STREAM takes precedence over the close that follows it.
    if let Some(reason) = error.source().and_then(|source| source.downcast_ref()).and_then(h2::Error::reason) {
        return Cause::new(FailureKind::HttpProtocol { reason: reason.description().into() }, text).at(Stage::Http);
    }
    if let Some((stage, cause)) = flow.failed {
        return cause.at(stage);
    }
    match flow.ended {
        Some(Ended::Fin | Ended::CloseNotify) => Cause::eof(&text).at(Stage::Receive),
        Some(Ended::Reset) => Cause::new(FailureKind::ConnectionReset, text).at(Stage::Receive),
        None => broken(text),
    }
}

/// A server's HTTP/2 starts with a SETTINGS frame: three bytes of length, then type 4. With fewer bytes it may be HTTP/2.
fn starts_as_http2(head: &[u8]) -> bool {
    const SETTINGS: u8 = 4;
    head.get(3).is_none_or(|kind| *kind == SETTINGS)
}

pub(super) fn broken(reason: String) -> Failure {
    Cause::new(FailureKind::HttpProtocol { reason: reason.clone() }, reason).at(Stage::Http)
}

/// An error and its sources, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
