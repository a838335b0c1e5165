//! A connection for successive requests.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::LoadArgs;
use super::tally::Sample;
use crate::client::{CLOSE_TIMEOUT, Clock, ConnectArgs, Connection, HttpRequest, HttpSession, failure_of, filling};
use crate::failure::{Cause, Failure, InStage as _, Stage};
use crate::tap::{Account, Io, Tap};
use crate::{Scheme, Target, UsageError};

/// Default size of a raw request, in bytes.
const RAW_UPLOAD: usize = 64;

pub(crate) enum Request {
    Http(Box<HttpRequest>),
    /// Raw bytes, and the length of the answer.
    Raw {
        send: Bytes,
        expect: u64,
    },
}

impl Request {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, UsageError> {
        Self::for_target(&args.target, &args.connect, args.upload, args.download)
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
            return Ok(Self::Http(Box::new(HttpRequest::plain(&target, upload.unwrap_or(0))?)));
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
                Self::Raw { send: filling(upload), expect: upload as u64 }
            }
            Some(0) => return Err(UsageError("--download 0: an empty answer cannot be waited for".into())),
            Some(expect) => {
                let upload = upload.unwrap_or(0);
                let send = [format!("{upload} {expect}\n").into_bytes().into(), filling(upload)].concat();
                Self::Raw { send: send.into(), expect }
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
            Request::Http(_) => {
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
            (Speaks::Http { session, http2 }, Request::Http(request)) => {
                http(session, *http2, request, &self.account, sample).await
            }
            (Speaks::Raw { reader, writer, buffer, .. }, Request::Raw { send, expect }) => {
                raw(reader, writer, buffer, send, *expect).await
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
    http2: bool,
    request: &HttpRequest,
    account: &Account,
    sample: &mut Sample,
) -> Result<(), Failure> {
    let response = session.send(request.message(http2)).await?;
    sample.status = Some(response.status().as_u16());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| failure_of(&error, account, http2))?;
    }
    Ok(())
}

async fn raw(
    reader: &mut ReadHalf<Tap<Box<dyn Io>>>,
    writer: &mut WriteHalf<Tap<Box<dyn Io>>>,
    buffer: &mut [u8],
    send: &[u8],
    expect: u64,
) -> Result<(), Failure> {
    let send = async {
        let sent = async {
            writer.write_all(send).await?;
            writer.flush().await
        };
        sent.await.at(Stage::Send)
    };
    let receive = async {
        let mut left = expect;
        while left > 0 {
            let n = reader.read(buffer).await.at(Stage::Receive)?;
            if n == 0 {
                let text = format!("the server closed {left} bytes before the end of its answer");
                return Err(Cause::eof(&text).at(Stage::Receive));
            }
            left = left.saturating_sub(n as u64);
        }
        Ok(())
    };
    // Concurrently, so that full buffers cannot block both sides.
    tokio::try_join!(send, receive).map(|_| ())
}
