//! One connection to a data plane.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Between two parts that are to arrive apart.
const PAUSE: Duration = Duration::from_millis(150);

/// Between two of many parts, or of many questions.
const SHORT_PAUSE: Duration = Duration::from_millis(3);

/// Timeouts of reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a response.
    pub(crate) answer: Duration,
    /// For the end, after closing our side.
    pub(crate) end: Duration,
}

impl Patience {
    pub(crate) const SHORT: Self = Self { answer: Duration::from_millis(600), end: Duration::from_millis(1800) };
    /// For repeating a row that differed: a busy machine must not count as a difference.
    pub(crate) const LONG: Self = Self { answer: Duration::from_secs(2), end: Duration::from_secs(4) };
}

/// What was received.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    /// Description of how it ended.
    pub(crate) how: &'static str,
}

/// The result of reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    End,
    Reset,
}

/// Sends the parts, reads, closes the sending side, and reads again.
pub(crate) fn talk(address: SocketAddr, parts: &[Vec<u8>], patience: Patience) -> Heard {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let client = stream.local_addr().unwrap();
    let _ = send(&stream, parts); // if the peer stopped reading, the reason is read below
    let mut bytes = Vec::new();
    let how = match read(&mut stream, &mut bytes, patience.answer) {
        Reading::End => "closes",
        Reading::Reset => "resets",
        Reading::Open => {
            let _ = stream.shutdown(Shutdown::Write);
            match read(&mut stream, &mut bytes, patience.end) {
                Reading::End => "waits, then closes",
                Reading::Reset => "waits, then resets",
                Reading::Open => "waits forever",
            }
        }
    };
    Heard { client, server: address, bytes, how }
}

/// Sends parts with pauses between them.
///
/// # Errors
///
/// If the peer stopped reading.
pub(crate) fn send(mut stream: &TcpStream, parts: &[Vec<u8>]) -> io::Result<()> {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            wait(if parts.len() > 20 { SHORT_PAUSE } else { PAUSE });
        }
        stream.write_all(part)?;
    }
    Ok(())
}

/// Waits as a part of what a row does.
pub(crate) fn pause() {
    wait(PAUSE);
}

/// Waits before a program is asked again that can't report by itself.
pub(crate) fn short_pause() {
    wait(SHORT_PAUSE);
}

#[expect(clippy::disallowed_methods, reason = "what is sent has pauses")]
fn wait(time: Duration) {
    thread::sleep(time);
}

fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, limit: Duration) -> Reading {
    let until = Instant::now() + limit;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Reading::Open;
        }
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut buffer) {
            Ok(0) => return Reading::End,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Reading::Open,
            Err(_) => return Reading::Reset,
        }
    }
}

/// Bytes as text, with one character for each.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Truncates a text to a readable length.
pub(crate) fn short(text: &str) -> String {
    if text.len() <= 300 {
        return text.into();
    }
    let chars: Vec<char> = text.chars().collect();
    let (begin, end) = (&chars[..150.min(chars.len())], &chars[chars.len().saturating_sub(100)..]);
    format!("{}[{} bytes]{}", String::from_iter(begin), text.len(), String::from_iter(end))
}
