//! Blocking streams: the peers of a relay, and simple relays as lower bounds.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    ops::{Deref, DerefMut},
    time::Duration,
};

use nix::fcntl::{FcntlArg, SpliceFFlags, fcntl};
use rustls::{ConnectionCommon, SideData, StreamOwned};

use crate::clock;

/// Buffer size for reading, writing and copying, in bytes.
const BUFFER: usize = 64 * 1024;
/// Pipe size in bytes, the same as the proxy's.
const PIPE: i32 = 1 << 20;

/// A connection whose sending side can be closed.
pub(super) trait Stream: Read + Write {
    fn finish(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl<C, S> Stream for StreamOwned<C, TcpStream>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    fn finish(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.shutdown(Shutdown::Write)
    }
}

/// rustls on a connection, after its handshake.
pub(super) fn handshaken<'a, C, S>(connection: C, mut socket: TcpStream) -> io::Result<Box<dyn Stream + 'a>>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>> + 'a,
    S: SideData,
{
    let mut stream = connection;
    stream.complete_io(&mut socket)?;
    Ok(Box::new(StreamOwned::new(stream, socket)))
}

/// Sends `bytes` bytes, and waits until the peer has closed, too.
pub(super) fn send(mut stream: Box<dyn Stream>, bytes: u64) -> io::Result<()> {
    let buffer = vec![0x5a; BUFFER];
    let mut left = bytes;
    while left > 0 {
        let next = left.min(BUFFER as u64) as usize;
        stream.write_all(&buffer[..next])?;
        left -= next as u64;
    }
    stream.finish()?;
    read_all(&mut *stream).map(drop)
}

/// Receives until the end, and returns the number of bytes.
pub(super) fn receive(mut stream: Box<dyn Stream>) -> io::Result<u64> {
    let received = read_all(&mut *stream)?;
    stream.finish()?;
    Ok(received)
}

fn read_all(stream: &mut dyn Stream) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut all = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(all),
            count => all += count as u64,
        }
    }
}

/// Relays by copying, and returns this thread's CPU time.
pub(super) fn copy(mut from: Box<dyn Stream>, mut to: Box<dyn Stream>) -> io::Result<Duration> {
    let (took, result) = clock::cpu(|| {
        let mut buffer = vec![0; BUFFER];
        loop {
            match from.read(&mut buffer)? {
                0 => break,
                count => to.write_all(&buffer[..count])?,
            }
        }
        to.finish()?;
        read_all(&mut *to)?;
        from.finish()
    });
    result.map(|()| took)
}

/// Relays by `splice(2)`, and returns this thread's CPU time.
pub(super) fn splice(mut from: TcpStream, mut to: TcpStream) -> io::Result<Duration> {
    let (took, result) = clock::cpu(|| {
        let (reader, writer) = io::pipe()?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE))?;
        let flags = SpliceFFlags::SPLICE_F_MOVE;
        loop {
            let mut held = nix::fcntl::splice(&from, None, &writer, None, PIPE as usize, flags)?;
            if held == 0 {
                break;
            }
            while held > 0 {
                held -= nix::fcntl::splice(&reader, None, &to, None, held, flags)?;
            }
        }
        to.finish()?;
        read_all(&mut to)?;
        from.finish()
    });
    result.map(|()| took)
}
