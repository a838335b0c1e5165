//! One HTTP request, over HTTP/1.1 or HTTP/2.

use std::error::Error as _;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::{CallArgs, Clock, Connection, FAREWELL};
use crate::failure::{Cause, Failure, FailureKind, Stage, escaped};
use crate::report::{Body, Ended, HttpFacts, headers_of};
use crate::tap::Account;
use crate::{Target, UsageError};

/// The header that carries `--marker`.
pub(crate) const PROBE_HEADER: &str = "x-sidelab-probe";

/// A request that can be sent over and over.
pub(crate) struct Request {
    http1: http::Request<Full<Bytes>>,
    http2: http::Request<Full<Bytes>>,
    fail: bool,
}

impl Request {
    pub(crate) fn new(args: &CallArgs) -> Result<Self, UsageError> {
        if args.server_first || args.half_close || args.expect.is_some() {
            return Err(UsageError("--server-first, --half-close and --expect are for tcp:// and tls:// alone".into()));
        }
        let body = match (&args.data, args.bytes) {
            (Some(text), _) => Some(Bytes::from(text.clone())),
            (None, Some(n)) => Some(super::stream::filling(n)),
            (None, None) => None,
        };
        let mut headers = HeaderMap::new();
        for text in &args.headers {
            let (name, value) = header(text)?;
            headers.append(name, value);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("demo-client"));
        if let Some(marker) = &args.marker {
            headers.append(PROBE_HEADER, value(marker)?);
        }
        Self::with(&args.target, args.method.as_deref(), headers, body, args.fail)
    }

    /// A request with a body of `upload` bytes where that is not 0, as load sends it.
    pub(crate) fn plain(target: &Target, upload: usize) -> Result<Self, UsageError> {
        let body = (upload > 0).then(|| super::stream::filling(upload));
        Self::with(target, None, HeaderMap::new(), body, false)
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
        let authority = match headers.remove(HOST) {
            Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            None => target.authority.clone(),
        };
        if let Some(body) = &body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let bad = |error: http::Error| UsageError(format!("cannot make a request of this: {error}"));
        let path: PathAndQuery = target.path.parse().map_err(|error: http::uri::InvalidUri| bad(error.into()))?;
        let scheme = if target.scheme.is_tls() { "https" } else { "http" };

        let mut http1 = http::Request::new(Full::new(body.unwrap_or_default()));
        *http1.method_mut() = method;
        *http1.headers_mut() = headers;
        // HTTP/2 names the authority in the URI, HTTP/1.1 in `Host`.
        let mut http2 = http1.clone();
        let uri = Uri::builder().scheme(scheme).authority(authority.as_str());
        *http2.uri_mut() = uri.path_and_query(path.clone()).build().map_err(bad)?;
        *http1.uri_mut() = path.into();
        http1.headers_mut().insert(HOST, value(&authority)?);
        Ok(Self { http1, http2, fail })
    }

    /// The message for a connection of this version.
    pub(crate) fn message(&self, http2: bool) -> http::Request<Full<Bytes>> {
        if http2 { self.http2.clone() } else { self.http1.clone() }
    }

    /// Sends the request; `answer` gets what came back, also where that was cut short.
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
        let facts = answer.insert(HttpFacts {
            version: format!("{:?}", head.version),
            status: head.status.as_u16(),
            headers: headers_of(&head.headers),
            body: Body::Text(String::new()),
            body_bytes: 0,
        });
        let mut kept = Vec::new();
        let read = async {
            while let Some(frame) = incoming.frame().await {
                let frame = frame.map_err(|error| failure_of(&error, &account, http2))?;
                let Some(data) = frame.data_ref() else { continue };
                facts.body_bytes += data.len() as u64;
                let room = (Body::LIMIT - kept.len()).min(data.len());
                kept.extend_from_slice(&data[..room]);
            }
            Ok(())
        };
        let read = clock.run(Stage::Receive, None, read).await;
        clock.stop();
        facts.body = Body::of(&kept);
        session.close().await;
        read?;
        if self.fail && facts.status >= 400 {
            let kind = FailureKind::HttpStatus { status: facts.status };
            return Err(Cause::new(kind, format!("the answer's status is {}", head.status)).at(Stage::Http));
        }
        Ok(())
    }
}

/// A connection that speaks HTTP.
pub(crate) struct HttpSession {
    sender: Sender,
    driver: JoinHandle<()>,
    account: Account,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl HttpSession {
    pub(crate) async fn open(connection: Connection) -> Result<Self, Failure> {
        let Connection { io, account, http2, .. } = connection;
        let failed = |error: hyper::Error| failure_of(&error, &account, http2);
        // What ends the driver also ends the request in flight, which reports it.
        let (sender, driver) = if http2 {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.map_err(failed)?;
            (Sender::Http2(sender), tokio::spawn(async { drop(driver.await) }))
        } else {
            let (sender, driver) = http1::handshake(TokioIo::new(io)).await.map_err(failed)?;
            (Sender::Http1(sender), tokio::spawn(async { drop(driver.await) }))
        };
        Ok(Self { sender, driver, account })
    }

    /// Sends a request, once the connection is ready for it, and waits for the head of the response.
    pub(crate) async fn send(&mut self, message: http::Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
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

    /// Closes in order: `close_notify`, FIN.
    pub(crate) async fn close(self) {
        drop(self.sender);
        let mut driver = self.driver;
        if tokio::time::timeout(FAREWELL, &mut driver).await.is_err() {
            driver.abort();
        }
    }
}

/// What the connection saw tells more than hyper's error: that says only that the exchange broke.
pub(crate) fn failure_of(error: &hyper::Error, account: &Account, http2: bool) -> Failure {
    let flow = account.read();
    let text = chain(error);
    if error.is_parse() || (http2 && !begins_as_http2(&flow.head)) {
        let kind = FailureKind::HttpParse { first_bytes: escaped(&flow.head) };
        let spoken = if http2 { "HTTP/2" } else { "HTTP/1.1" };
        return Cause::new(kind, format!("the answer is not {spoken}: {text}")).at(Stage::Http);
    }
    // What the server took back in so many words stays so when it closes after that.
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

/// A server of HTTP/2 speaks a SETTINGS frame first: three bytes of length, then type 4. Fewer bytes leave it open.
fn begins_as_http2(head: &[u8]) -> bool {
    const SETTINGS: u8 = 4;
    head.get(3).is_none_or(|kind| *kind == SETTINGS)
}

fn broken(reason: String) -> Failure {
    Cause::new(FailureKind::HttpProtocol { reason: reason.clone() }, reason).at(Stage::Http)
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), UsageError> {
    let (name, rest) =
        text.split_once(':').ok_or_else(|| UsageError(format!("--header {text:?}: expected NAME:VALUE")))?;
    let name = name.trim().parse().map_err(|_| UsageError(format!("--header {text:?}: not a header name")))?;
    Ok((name, value(rest.trim())?))
}

fn value(text: &str) -> Result<HeaderValue, UsageError> {
    text.parse().map_err(|_| UsageError(format!("{text:?} cannot be the value of a header")))
}
