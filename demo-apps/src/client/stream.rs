//! A raw exchange of bytes.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{CLOSE_TIMEOUT, CallArgs, Clock, Connection, filling};
use crate::UsageError;
use crate::failure::{Cause, Failure, FailureKind, InStage as _, Stage};
use crate::report::Body;

/// What to send, and what to expect.
pub(super) struct Exchange {
    send: Bytes,
    server_first: bool,
    until: Until,
}

/// The condition for a complete answer.
enum Until {
    /// Everything sent has been echoed.
    Echo,
    /// This many bytes have been received.
    Count(usize),
    /// The server has closed the connection.
    End,
}

impl Exchange {
    pub(super) fn new(args: &CallArgs) -> Result<Self, UsageError> {
        if !args.headers.is_empty() || args.method.is_some() || args.fail || args.http10 || args.connect.http2 {
            return Err(UsageError("--header, --method, --fail and --http2 are not for tcp:// and tls://".into()));
        }
        if args.messages.is_some() {
            return Err(UsageError("--messages is only for grpc(s):// and ws(s)://".into()));
        }
        let mut send = args.marker.as_ref().map_or_else(Vec::new, |id| format!("sidelab-probe {id}\n").into_bytes());
        match (&args.data, args.bytes) {
            (Some(text), _) => send.extend_from_slice(text.as_bytes()),
            (None, Some(n)) => send.extend_from_slice(&filling(n)),
            (None, None) if send.is_empty() => send.extend_from_slice(b"demo-client\n"),
            (None, None) => {}
        }
        let until = match args.expect {
            _ if args.half_close => Until::End,
            Some(n) => Until::Count(n),
            None => Until::Echo,
        };
        Ok(Self { send: send.into(), server_first: args.server_first, until })
    }

    /// Sends and receives. `kept` receives the first [`Body::LIMIT`] bytes.
    pub(super) async fn run(&self, connection: Connection, clock: &Clock, kept: &mut Vec<u8>) -> Result<(), Failure> {
        let Connection { io, account, reset, .. } = connection;
        let (mut reader, mut writer) = tokio::io::split(io);
        let greeted = async { if self.server_first { greeting(&mut reader, kept).await } else { Ok(()) } };
        clock.run(Stage::Receive, None, greeted).await?;

        let all_sent = AtomicBool::new(false);
        let send = async {
            self.send(&mut writer).await.at(Stage::Send)?;
            all_sent.store(true, Ordering::Relaxed);
            Ok(())
        };
        let both = together(send, self.receive(&mut reader, kept));
        let mut result = clock.run(Stage::Receive, None, both).await;
        clock.stop();
        if let Err(failure) = &mut result {
            if failure.kind == FailureKind::Timeout && !all_sent.load(Ordering::Relaxed) {
                failure.stage = Stage::Send;
            }
            // The first error is the cause; a later one may just be an end of file.
            if let Some((stage, cause)) = account.read().failed {
                *failure = cause.at(stage);
            }
        }
        // Closes in order (`close_notify`, FIN), unless the peer is gone.
        let mut io = reader.unsplit(writer);
        if !reset {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, io.shutdown()).await;
        }
        result
    }

    async fn send(&self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        writer.write_all(&self.send).await?;
        writer.flush().await?;
        if matches!(self.until, Until::End) { writer.shutdown().await } else { Ok(()) }
    }

    async fn receive(&self, reader: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Result<(), Failure> {
        let wanted = match self.until {
            Until::Echo => self.send.len(),
            Until::Count(n) => n,
            Until::End => usize::MAX,
        };
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        while received < wanted {
            let n = reader.read(&mut buffer).await.at(Stage::Receive)?;
            if n == 0 {
                if matches!(self.until, Until::End) {
                    return Ok(());
                }
                let text = format!("the server closed after {received} of {wanted} bytes");
                return Err(Cause::eof(&text).at(Stage::Receive));
            }
            let new = &buffer[..n];
            keep(kept, new);
            if matches!(self.until, Until::Echo) && self.send.get(received..received + n) != Some(new) {
                let text = format!("the echo differs from what was sent, at byte {received} or later");
                return Err(Cause::new(FailureKind::EchoMismatch, text).at(Stage::Receive));
            }
            received += n;
        }
        Ok(())
    }
}

async fn greeting(reader: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>) -> Result<(), Failure> {
    let mut buffer = vec![0; 16 * 1024];
    let n = reader.read(&mut buffer).await.at(Stage::Receive)?;
    if n == 0 {
        return Err(Cause::eof("the server closed without a greeting").at(Stage::Receive));
    }
    keep(kept, &buffer[..n]);
    Ok(())
}

/// Sends and receives concurrently, so that full buffers cannot block both sides. Completes when the whole answer
/// has been received.
async fn together(
    send: impl Future<Output = Result<(), Failure>>,
    receive: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::pin!(receive);
    let sent = tokio::select! {
        biased;
        received = &mut receive => return received,
        sent = send => sent,
    };
    match sent {
        Ok(()) => receive.await,
        // A peer that stopped reading may have said why.
        Err(failure) => match tokio::time::timeout(CLOSE_TIMEOUT, receive).await {
            Ok(Err(reason)) => Err(reason),
            _ => Err(failure),
        },
    }
}

fn keep(kept: &mut Vec<u8>, new: &[u8]) {
    let room = Body::LIMIT.saturating_sub(kept.len()).min(new.len());
    kept.extend_from_slice(&new[..room]);
}
