//! Raw protocols of a server's ports.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::io::{BufReader, split};

use super::body::FILLING;
use crate::failure::{Cause, Failure, FailureKind, InStage as _, Stage};
use crate::tap::Io;

/// Read buffer: the size of a TLS record.
const BUFFER: usize = 16 * 1024;

/// Maximum length of a line of the bulk protocol: two numbers of 20 digits each.
const LINE: u64 = 64;

/// Echoes every byte. After the client's FIN it gets the remaining bytes, then FIN.
pub(super) async fn echo(mut io: impl Io) -> Result<(), Failure> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = io.read(&mut buffer).await.at(Stage::Receive)?;
        if n == 0 {
            return io.shutdown().await.at(Stage::Send);
        }
        io.write_all(&buffer[..n]).await.at(Stage::Send)?;
        io.flush().await.at(Stage::Send)?;
    }
}

/// Sends a greeting first, like SMTP and MySQL servers.
pub(super) async fn greet(mut io: impl Io, name: &str) -> Result<(), Failure> {
    let greeting = format!("220 {name} ready\r\n");
    io.write_all(greeting.as_bytes()).await.at(Stage::Send)?;
    io.flush().await.at(Stage::Send)?;
    echo(io).await
}

/// Reads something, and closes.
pub(super) async fn once(mut io: impl Io) -> Result<(), Failure> {
    io.read(&mut [0; BUFFER]).await.at(Stage::Receive).map(|_| ())
}

/// For each line `UP DOWN`, reads UP bytes, then sends DOWN bytes.
pub(super) async fn bulk(io: impl Io) -> Result<(), Failure> {
    let (reader, mut writer) = split(io);
    let mut reader = BufReader::with_capacity(64 * 1024, reader);
    loop {
        let mut line = String::new();
        let read = (&mut reader).take(LINE).read_line(&mut line).await;
        if read.at(Stage::Receive)? == 0 {
            return writer.shutdown().await.at(Stage::Send);
        }
        let Some((up, down)) = amounts(&line) else {
            let _ = writer.write_all(b"expected a line \"UP DOWN\", two numbers of bytes\n").await;
            let _ = writer.shutdown().await;
            let kind = FailureKind::Io { errno: None };
            return Err(Cause::new(kind, format!("not a line \"UP DOWN\": {line:?}")).at(Stage::Receive));
        };
        discard(&mut reader, up).await.at(Stage::Receive)?;
        fill(&mut writer, down).await.at(Stage::Send)?;
    }
}

fn amounts(line: &str) -> Option<(u64, u64)> {
    let (up, down) = line.strip_suffix('\n')?.trim_end_matches('\r').split_once(' ')?;
    Some((up.parse().ok()?, down.parse().ok()?))
}

async fn discard(reader: &mut (impl AsyncBufRead + Unpin), mut left: u64) -> io::Result<()> {
    while left > 0 {
        let there = reader.fill_buf().await?.len() as u64;
        if there == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = there.min(left);
        // At most a buffer's length, so it fits.
        reader.consume(usize::try_from(taken).unwrap_or(usize::MAX));
        left -= taken;
    }
    Ok(())
}

async fn fill(writer: &mut (impl AsyncWrite + Unpin), mut left: u64) -> io::Result<()> {
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(FILLING.len());
        writer.write_all(&FILLING[..n]).await?;
        left -= n as u64;
    }
    writer.flush().await
}
