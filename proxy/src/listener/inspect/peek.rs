//! Looking at the first bytes of a connection without taking them.

use std::{io, os::fd::AsRawFd as _};

use nix::sys::socket::{MsgFlags, recv};
use tokio::{io::Interest, net::TcpStream};

use super::Refused;

/// Holds most ClientHellos at the first look, one with a post-quantum key share included.
const FIRST: usize = 2 * 1024;
/// No look is longer; as Envoy's TLS inspector has it.
const MOST: usize = 64 * 1024;

/// Shows `decide` all bytes that have come so far, again with each that comes, until it knows what they are.
pub(super) async fn peek<T>(socket: &TcpStream, mut decide: impl FnMut(&[u8]) -> Option<T>) -> Result<T, Refused> {
    let mut buffer = vec![0; FIRST];
    let mut seen = 0;
    loop {
        let ready = socket.ready(Interest::READABLE).await.map_err(|_| Refused::PeerClosed)?;
        let look = socket.try_io(Interest::READABLE, || {
            let count = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)?;
            // The same bytes again: to be told of more, Tokio has to believe that there are none.
            if count == seen && count > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        match look {
            Ok(0) => return Err(Refused::PeerClosed),
            Ok(count) => seen = count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => continue,
            Err(_) => return Err(Refused::PeerClosed),
        }
        if let Some(decided) = decide(&buffer[..seen]) {
            return Ok(decided);
        }
        if seen == buffer.len() {
            if seen == MOST {
                return Err(Refused::HelloTooLarge);
            }
            buffer.resize(2 * seen, 0);
        }
    }
}
