//! Peeking at the first bytes of a connection.

use std::{io, os::fd::AsRawFd as _};

use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream};

/// Initial size of the buffer: enough for most ClientHellos, including those with a post-quantum key share.
const FIRST: usize = 2 * 1024;

/// Why the bytes could not be peeked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// The peer closed the connection before.
    PeerClosed,
    /// The limit was reached without a decision.
    TooLong,
}

/// Passes all bytes received so far to `decide`, whenever more arrive, until it returns something. Peeks at no more than
/// `most` bytes.
pub(crate) async fn peek<T>(
    socket: &TcpStream,
    most: usize,
    mut decide: impl FnMut(&[u8]) -> Option<T>,
) -> Result<T, Unseen> {
    let mut buffer = vec![0; FIRST.min(most)];
    let mut seen = 0;
    loop {
        let ready = socket.ready(Interest::READABLE).await.map_err(|_| Unseen::PeerClosed)?;
        let look = socket.try_io(Interest::READABLE, || {
            let count = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)?;
            // The same bytes as before: Tokio must consider the socket not ready, in order to wait for more.
            if count == seen && count > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        match look {
            Ok(0) => return Err(Unseen::PeerClosed),
            Ok(count) => seen = count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => continue,
            Err(_) => return Err(Unseen::PeerClosed),
        }
        if let Some(decided) = decide(&buffer[..seen]) {
            return Ok(decided);
        }
        if seen == buffer.len() {
            if seen >= most {
                return Err(Unseen::TooLong);
            }
            buffer.resize(most.min(2 * seen), 0);
        }
    }
}
