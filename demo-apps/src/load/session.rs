//! A connection for successive requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::LoadArgs;
use super::random::Random;
use super::tally::Sample;
use crate::client::{CLOSE_TIMEOUT, Clock, ConnectArgs, Connection, HttpRequest, HttpSession, failure_of, filling};
use crate::failure::{Cause, Failure, FailureKind, InStage as _, Stage};
use crate::report::Seen;
use crate::tap::{Account, Io, Tap};
use crate::{Scheme, Target, UsageError};

/// Default size of a raw request, in bytes.
const RAW_UPLOAD: usize = 64;

/// The requests of a load.
pub(super) enum Requests {
    Same(Arc<Request>),
    Random { like: Request, random: Random },
}

impl Requests {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, UsageError> {
        if args.half_close && !args.target.scheme.is_raw() {
            return Err(UsageError("--half-close is only for tcp:// and tls://".into()));
        }
        let random = args.random.map(|sizes| Random::new(sizes, args.seed));
        let like = Request::new(args)?;
        Ok(match random {
            None => Self::Same(Arc::new(like)),
            Some(random) => Self::Random { like, random },
        })
    }

    /// The request of a number. Those of another number differ only if they are random.
    pub(super) fn request(&self, number: u64) -> Arc<Request> {
        match self {
            Self::Same(request) => Arc::clone(request),
            Self::Random { like, random } => Arc::new(like.with_bytes(random.bytes(number))),
        }
    }
}

pub(crate) struct Request {
    message: Message,
    /// The most bytes of an answer to read in a second.
    read_rate: Option<u64>,
}

enum Message {
    Http {
        request: Box<HttpRequest>,
        check: Check,
    },
    /// Raw bytes, and the length of the answer.
    Raw {
        send: Bytes,
        expect: u64,
        /// Whether the answer has to be the bytes that were sent.
        echoes: bool,
        /// Whether FIN follows the bytes, and the answer.
        half_close: bool,
    },
}

/// What is expected of an HTTP response that reports no error.
#[derive(Clone, Debug)]
enum Check {
    Nothing,
    /// The report of a `demo-server`, with the length of the body that it got.
    Reports(u64),
    /// The body that was sent.
    Echoes(Bytes),
}

impl Request {
    fn new(args: &LoadArgs) -> Result<Self, UsageError> {
        let upload = if args.random.is_some() { Some(1) } else { args.upload };
        let mut request = Self::for_target(&args.target, &args.connect, upload, args.download)?;
        request.read_rate = args.read_rate;
        match &mut request.message {
            Message::Http { request, check } => {
                if let Some(marker) = &args.marker {
                    **request = HttpRequest::marked(&args.target, upload.unwrap_or(0), marker)?;
                }
                if args.each {
                    *check = Check::Reports(upload.unwrap_or(0) as u64);
                }
            }
            Message::Raw { send, expect, echoes, half_close } => {
                if let Some(marker) = &args.marker {
                    *send = [format!("sidelab-probe {marker}\n").into_bytes().into(), send.clone()].concat().into();
                    *expect = send.len() as u64;
                }
                *echoes = args.each;
                *half_close = args.half_close;
            }
        }
        Ok(request)
    }

    /// The same request with other bytes, which have to be echoed.
    fn with_bytes(&self, bytes: Bytes) -> Self {
        let message = match &self.message {
            Message::Http { request, .. } => {
                Message::Http { request: Box::new(request.with_body(&bytes)), check: Check::Echoes(bytes) }
            }
            Message::Raw { half_close, .. } => {
                Message::Raw { expect: bytes.len() as u64, send: bytes, echoes: true, half_close: *half_close }
            }
        };
        Self { message, read_rate: self.read_rate }
    }

    /// A request with these sizes, in bytes, if given.
    pub(crate) fn for_target(
        target: &Target,
        connect: &ConnectArgs,
        upload: Option<usize>,
        download: Option<u64>,
    ) -> Result<Self, UsageError> {
        Ok(Self { message: Message::for_target(target, connect, upload, download)?, read_rate: None })
    }
}

impl Message {
    /// A request with these sizes, in bytes, if given.
    fn for_target(
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
            return Ok(Self::Http { request, check: Check::Nothing });
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
                Self::Raw { send: filling(upload), expect: upload as u64, echoes: false, half_close: false }
            }
            Some(0) => return Err(UsageError("--download 0: an empty answer cannot be waited for".into())),
            Some(expect) => {
                let upload = upload.unwrap_or(0);
                let send = [format!("{upload} {expect}\n").into_bytes().into(), filling(upload)].concat();
                Self::Raw { send: send.into(), expect, echoes: false, half_close: false }
            }
        })
    }
}

pub(crate) struct Session {
    account: Account,
    speaks: Speaks,
}

/// A connection, with or without TLS, whose bytes are counted.
type Stream = Tap<Box<dyn Io>>;

enum Speaks {
    Http { session: HttpSession, http2: bool },
    Raw { reader: ReadHalf<Stream>, writer: WriteHalf<Stream>, buffer: Vec<u8>, reset: bool },
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
        let speaks = match request.message {
            Message::Http { .. } => {
                let http2 = connection.http2;
                Speaks::Http { session: HttpSession::open(connection).await?, http2 }
            }
            Message::Raw { .. } => {
                let (reader, writer) = tokio::io::split(connection.io);
                Speaks::Raw { reader, writer, buffer: vec![0; 64 * 1024], reset: connection.reset }
            }
        };
        Ok(Self { account, speaks })
    }

    /// Whether the server takes another request on this connection, as far as it has said.
    pub(super) async fn is_ready(&mut self) -> bool {
        match &mut self.speaks {
            Speaks::Http { session, .. } => session.is_ready().await,
            Speaks::Raw { .. } => true,
        }
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
        let pace = Pace(request.read_rate);
        let result = match (&mut self.speaks, &request.message) {
            (Speaks::Http { session, http2 }, Message::Http { request, check }) => {
                http(session, request.message(*http2), &self.account, (check, pace), sample).await
            }
            (Speaks::Raw { reader, writer, buffer, .. }, Message::Raw { send, expect, echoes, half_close }) => {
                let expected = Expected { bytes: *expect, echo: echoes.then_some(send), end: *half_close };
                raw((reader, writer), buffer, send, expected, pace).await
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

/// Slows down reading.
#[derive(Clone, Copy)]
struct Pace(Option<u64>);

impl Pace {
    /// Waits as long as it takes to read this many bytes.
    async fn wait(self, bytes: usize) {
        if let Some(rate) = self.0 {
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
        }
    }
}

async fn http(
    session: &mut HttpSession,
    message: http::Request<Full<Bytes>>,
    account: &Account,
    (check, pace): (&Check, Pace),
    sample: &mut Sample,
) -> Result<(), Failure> {
    let http2 = message.version() == http::Version::HTTP_2;
    let response = session.send(message).await?;
    let status = response.status().as_u16();
    sample.status = Some(status);
    let check = if status < 400 { check } else { &Check::Nothing };
    let mut echo = match check {
        Check::Echoes(bytes) => Echo(bytes),
        _ => Echo(&[]),
    };
    let mut body = response.into_body();
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failure_of(&error, account, http2))?;
        let Some(data) = frame.data_ref() else { continue };
        match check {
            Check::Nothing => {}
            Check::Reports(_) => kept.extend_from_slice(data),
            Check::Echoes(_) => echo.take(data)?,
        }
        pace.wait(data.len()).await;
    }
    match check {
        Check::Nothing => Ok(()),
        Check::Reports(sent) => check_report(&kept, *sent),
        Check::Echoes(_) => echo.end(),
    }
}

/// The rest of an echo.
struct Echo<'a>(&'a [u8]);

impl Echo<'_> {
    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.0 = self.0.strip_prefix(data).ok_or_else(|| {
            mismatch(format!("the echo differs from what was sent in its last {} bytes", self.0.len()))
        })?;
        Ok(())
    }

    fn end(&self) -> Result<(), Failure> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(mismatch(format!("the echo ended {left} bytes before its end"))),
        }
    }
}

fn mismatch(text: String) -> Failure {
    Cause::new(FailureKind::EchoMismatch, text).at(Stage::Receive)
}

/// Compares what a server reports of a request with what was sent.
fn check_report(body: &[u8], sent: u64) -> Result<(), Failure> {
    let found = match serde_json::from_slice::<Seen>(body) {
        Ok(seen) if seen.body_bytes == sent => return Ok(()),
        Ok(seen) => format!("the server got {} of {sent} bytes", seen.body_bytes),
        Err(error) => format!("the response is not the whole report of a demo-server: {error}"),
    };
    Err(mismatch(found))
}

/// An answer to raw bytes.
struct Expected<'a> {
    /// Its length.
    bytes: u64,
    /// What it has to be.
    echo: Option<&'a Bytes>,
    /// Whether both sides close after their bytes.
    end: bool,
}

async fn raw(
    (reader, writer): (&mut ReadHalf<Stream>, &mut WriteHalf<Stream>),
    buffer: &mut [u8],
    bytes: &[u8],
    expected: Expected<'_>,
    pace: Pace,
) -> Result<(), Failure> {
    let send = async {
        let sent = async {
            writer.write_all(bytes).await?;
            writer.flush().await?;
            if expected.end { writer.shutdown().await } else { Ok(()) }
        };
        sent.await.at(Stage::Send)
    };
    let receive = async {
        let mut left = expected.bytes;
        let mut echo = expected.echo.map(|bytes| Echo(bytes));
        while left > 0 {
            let n = reader.read(buffer).await.at(Stage::Receive)?;
            if n == 0 {
                let text = format!("the server closed {left} bytes before the end of its answer");
                return Err(Cause::eof(&text).at(Stage::Receive));
            }
            echo.as_mut().map_or(Ok(()), |echo| echo.take(&buffer[..n]))?;
            left = left.saturating_sub(n as u64);
            pace.wait(n).await;
        }
        if expected.end && reader.read(buffer).await.at(Stage::Receive)? > 0 {
            return Err(mismatch("the server sent more than its echo".into()));
        }
        Ok(())
    };
    // Concurrently, so that full buffers cannot block both sides.
    tokio::try_join!(send, receive).map(|_| ())
}
