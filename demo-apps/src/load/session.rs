//! A connection for successive requests.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::LoadArgs;
use super::tally::Sample;
use crate::client::{CLOSE_TIMEOUT, Clock, ConnectArgs, Connection, HttpRequest, HttpSession, failure_of, filling};
use crate::failure::{Cause, Failure, FailureKind, InStage as _, Stage};
use crate::report::Seen;
use crate::tap::{Account, Io, Tap};
use crate::{Scheme, Target, UsageError};

/// Default size of a raw request, in bytes.
const RAW_UPLOAD: usize = 64;

pub(crate) enum Request {
    Http {
        request: Box<HttpRequest>,
        /// The length of the body that the server has to report.
        reports: Option<u64>,
    },
    /// Raw bytes, and the length of the answer.
    Raw {
        send: Bytes,
        expect: u64,
        /// Whether the answer has to be the bytes that were sent.
        echoes: bool,
    },
}

impl Request {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, UsageError> {
        let mut request = Self::for_target(&args.target, &args.connect, args.upload, args.download)?;
        match &mut request {
            Self::Http { request, reports } => {
                if let Some(marker) = &args.marker {
                    **request = HttpRequest::marked(&args.target, args.upload.unwrap_or(0), marker)?;
                }
                *reports = args.each.then_some(args.upload.unwrap_or(0) as u64);
            }
            Self::Raw { send, expect, echoes } => {
                if let Some(marker) = &args.marker {
                    *send = [format!("sidelab-probe {marker}\n").into_bytes().into(), send.clone()].concat().into();
                    *expect = send.len() as u64;
                }
                *echoes = args.each;
            }
        }
        Ok(request)
    }

    /// A request with these sizes, in bytes, if given.
    pub(crate) fn for_target(
        target: &Target,
        connect: &ConnectArgs,
        upload: Option<usize>,
        download: Option<u64>,
    ) -> Result<Self, UsageError> {
        if matches!(target.scheme, Scheme::Grpc | Scheme::Grpcs | Scheme::Ws | Scheme::Wss) {
            return Err(UsageError(format!("{target}: only http(s)://, tcp:// and tls:// can be called repeatedly")));
        }
        if !target.scheme.is_raw() {
            let mut target = target.clone();
            if let Some(bytes) = download {
                if target.path != "/" {
                    return Err(UsageError(format!(
                        "--download requests /bytes/{bytes}: remove the path from the URL"
                    )));
                }
                target.path = format!("/bytes/{bytes}");
            }
            let request = Box::new(HttpRequest::plain(&target, upload.unwrap_or(0))?);
            return Ok(Self::Http { request, reports: None });
        }
        if connect.http2 {
            return Err(UsageError("--http2 is only for http:// and https://".into()));
        }
        Ok(match download {
            None => {
                let upload = upload.unwrap_or(RAW_UPLOAD);
                if upload == 0 {
                    return Err(UsageError("--upload 0: an empty echo cannot be waited for".into()));
                }
                Self::Raw { send: filling(upload), expect: upload as u64, echoes: false }
            }
            Some(0) => return Err(UsageError("--download 0: an empty answer cannot be waited for".into())),
            Some(expect) => {
                let upload = upload.unwrap_or(0);
                let send = [format!("{upload} {expect}\n").into_bytes().into(), filling(upload)].concat();
                Self::Raw { send: send.into(), expect, echoes: false }
            }
        })
    }
}

pub(crate) struct Session {
    account: Account,
    speaks: Speaks,
}

enum Speaks {
    Http { session: HttpSession, http2: bool },
    Raw { reader: ReadHalf<Tap<Box<dyn Io>>>, writer: WriteHalf<Tap<Box<dyn Io>>>, buffer: Vec<u8>, reset: bool },
}

/// Bytes transferred over a connection.
pub(super) struct Moved {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Session {
    /// Prepares a connection for requests like `request`.
    pub(crate) async fn open(connection: Connection, request: &Request) -> Result<Self, Failure> {
        let account = connection.account.clone();
        let speaks = match request {
            Request::Http { .. } => {
                let http2 = connection.http2;
                Speaks::Http { session: HttpSession::open(connection).await?, http2 }
            }
            Request::Raw { .. } => {
                let (reader, writer) = tokio::io::split(connection.io);
                Speaks::Raw { reader, writer, buffer: vec![0; 64 * 1024], reset: connection.reset }
            }
        };
        Ok(Self { account, speaks })
    }

    /// Bytes transferred so far.
    pub(super) fn moved(&self) -> Moved {
        self.account.with(|flow| Moved { sent: flow.sent, received: flow.received })
    }

    /// Makes one request and reads its whole response.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request,
        clock: &Clock,
        sample: &mut Sample,
    ) -> Result<(), Failure> {
        self.account.expect_answer();
        let result = match (&mut self.speaks, request) {
            (Speaks::Http { session, http2 }, Request::Http { request, reports }) => {
                http(session, request.message(*http2), &self.account, *reports, sample).await
            }
            (Speaks::Raw { reader, writer, buffer, .. }, Request::Raw { send, expect, echoes }) => {
                raw(reader, writer, buffer, (send, *echoes), *expect).await
            }
            // A session is only used with the kind of request that it was opened for.
            _ => Ok(()),
        };
        sample.first_byte_us = self.account.first_byte().map(|at| clock.micros_at(at));
        // The first error is the cause; a later one may just be an end of file.
        result.map_err(|failure| match self.account.failed() {
            Some((stage, cause)) => cause.at(stage),
            None => failure,
        })
    }

    /// Completes when the server ends the connection, which is idle. It can then no longer be closed in order.
    pub(crate) async fn ended(&mut self) {
        match &mut self.speaks {
            Speaks::Http { session, .. } => session.ended().await,
            // Unsolicited data counts as the end, too.
            Speaks::Raw { reader, buffer, .. } => drop(reader.read(buffer).await),
        }
    }

    /// Closes the connection in order.
    pub(crate) async fn close(self) {
        match self.speaks {
            Speaks::Http { session, .. } => session.close().await,
            Speaks::Raw { reset: true, .. } => {}
            Speaks::Raw { reader, writer, .. } => {
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, reader.unsplit(writer).shutdown()).await;
            }
        }
    }
}

async fn http(
    session: &mut HttpSession,
    message: http::Request<Full<Bytes>>,
    account: &Account,
    reports: Option<u64>,
    sample: &mut Sample,
) -> Result<(), Failure> {
    let http2 = message.version() == http::Version::HTTP_2;
    let response = session.send(message).await?;
    let status = response.status().as_u16();
    sample.status = Some(status);
    let mut body = response.into_body();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure_of(&error, account, http2))?;
        if let (Some(_), Some(data)) = (reports, frame.data_ref()) {
            kept.extend_from_slice(data);
        }
    }
    match reports.filter(|_| status < 400) {
        Some(sent) => check_report(&kept, sent),
        None => Ok(()),
    }
}

/// Compares what a server reports of a request with what was sent.
fn check_report(body: &[u8], sent: u64) -> Result<(), Failure> {
    let found = match serde_json::from_slice::<Seen>(body) {
        Ok(seen) if seen.body_bytes == sent => return Ok(()),
        Ok(seen) => format!("the server got {} of {sent} bytes", seen.body_bytes),
        Err(error) => format!("the response is not the whole report of a demo-server: {error}"),
    };
    Err(Cause::new(FailureKind::EchoMismatch, found).at(Stage::Receive))
}

async fn raw(
    reader: &mut ReadHalf<Tap<Box<dyn Io>>>,
    writer: &mut WriteHalf<Tap<Box<dyn Io>>>,
    buffer: &mut [u8],
    (bytes, echoes): (&[u8], bool),
    expect: u64,
) -> Result<(), Failure> {
    let send = async {
        let sent = async {
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        sent.await.at(Stage::Send)
    };
    let receive = async {
        let mut left = expect;
        let mut echo = bytes;
        while left > 0 {
            let n = reader.read(buffer).await.at(Stage::Receive)?;
            if n == 0 {
                let text = format!("the server closed {left} bytes before the end of its answer");
                return Err(Cause::eof(&text).at(Stage::Receive));
            }
            if echoes {
                echo = echo.strip_prefix(&buffer[..n]).ok_or_else(|| {
                    let text = format!("the echo differs from what was sent in its last {} bytes", echo.len());
                    Cause::new(FailureKind::EchoMismatch, text).at(Stage::Receive)
                })?;
            }
            left = left.saturating_sub(n as u64);
        }
        Ok(())
    };
    // Concurrently, so that full buffers cannot block both sides.
    tokio::try_join!(send, receive).map(|_| ())
}
