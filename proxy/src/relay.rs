//! Moving bytes both ways between two connections until both are done.
//!
//! A direction that has nothing to move holds no memory: it waits for its socket, and only then takes a buffer (or a
//! pipe) from the thread's pool, which it gives back when it is empty. Half-close passes through as it comes: the end of
//! one direction is passed on, and the other goes on. A reset on one side resets the other.

mod copy;
mod plain;
mod splice;

use std::{
    borrow::Cow,
    future::poll_fn,
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt as _;
use socket2::SockRef;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use crate::{
    drain::Drain,
    stats::{Counter, Scope, Stats},
    stream::{Downstream, Upstream},
    tls,
};
use copy::Copy;
use plain::Plain;

#[cfg(test)]
mod tests;

/// What relays count.
#[derive(Clone, Debug)]
pub struct RelayStats {
    /// Bytes from downstream.
    received: Counter,
    /// Bytes to downstream.
    sent: Counter,
    /// Bytes that moved by `splice(2)`, and were never in this process.
    spliced: Counter,
    /// Bytes that moved through a buffer of this process.
    copied: Counter,
    /// Directions that ended without TLS' `close_notify`: whoever sits on the way may have cut them short.
    truncated: Counter,
}

impl RelayStats {
    /// Those of a TCP proxy, and the proxy's own for the ways that bytes take.
    pub fn new(stats: &Stats, received: Counter, sent: Counter) -> Self {
        let root = stats.scope(Scope::Root);
        Self {
            received,
            sent,
            spliced: root.counter("sidelab.splice_bytes"),
            copied: root.counter("sidelab.copy_bytes"),
            truncated: root.counter("sidelab.tls_truncated"),
        }
    }
}

/// Two connections.
pub(crate) struct Relay<'a> {
    way: Way,
    stats: &'a RelayStats,
    up: Progress,
    down: Progress,
}

/// How bytes move.
enum Way {
    /// Both are plain.
    Plain { downstream: TcpStream, upstream: TcpStream, up: Plain, down: Plain },
    /// One is TLS at least.
    Tls { downstream: Downstream, upstream: Upstream, up: Copy, down: Copy },
}

/// One direction.
#[derive(Default)]
struct Progress {
    moved: u64,
    done: bool,
}

/// How a relay ended, and how many bytes it moved.
pub(crate) struct Ended {
    /// Why.
    pub(crate) end: End,
    /// Bytes from downstream.
    pub(crate) received: u64,
    /// Bytes to downstream.
    pub(crate) sent: u64,
}

/// Why a relay ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides were done.
    Done,
    /// The downstream connection was reset.
    DownstreamReset,
    /// The upstream connection was reset.
    UpstreamReset,
    /// The downstream's TLS broke; BoringSSL's reason.
    DownstreamTls(Cow<'static, str>),
    /// The upstream's TLS broke; BoringSSL's reason.
    UpstreamTls(Cow<'static, str>),
    /// Nothing moved for as long as it may.
    Idle,
    /// It was made to end.
    Forced,
}

/// The side that an error happened on.
#[derive(Clone, Copy)]
enum Side {
    Downstream,
    Upstream,
}

/// What one direction came to.
#[derive(Clone, Copy)]
enum Step {
    /// That many bytes moved on.
    Moved {
        /// How many.
        count: usize,
        /// Which way they took.
        by: By,
    },
    /// The reader is at its end, and the writer has been told.
    Done {
        /// Whether TLS did not say that this is the end.
        truncated: bool,
    },
}

/// The ways that bytes take.
#[derive(Clone, Copy)]
enum By {
    /// Through a buffer of this process.
    Copy,
    /// By `splice(2)`.
    Splice,
}

/// An error, and whether reading or writing hit it.
enum Fault {
    Read(io::Error),
    Write(io::Error),
}

impl<'a> Relay<'a> {
    pub(crate) fn new(downstream: Downstream, upstream: Upstream, stats: &'a RelayStats) -> Box<Self> {
        let way = match (downstream, upstream) {
            (Downstream::Plain(downstream), Upstream::Plain(upstream)) => {
                Way::Plain { downstream, upstream, up: Plain::default(), down: Plain::default() }
            }
            (downstream, upstream) => Way::Tls { downstream, upstream, up: Copy::default(), down: Copy::default() },
        };
        Box::new(Self { way, stats, up: Progress::default(), down: Progress::default() })
    }

    /// Moves bytes until both directions are done, one side fails, nothing moves for as long as `idle`, or
    /// everything has to end.
    pub(crate) async fn run(mut self: Box<Self>, idle: Option<Duration>, drain: &Drain) -> Ended {
        let end = tokio::select! {
            end = self.run_to_end(idle) => end,
            () = drain.forced() => End::Forced,
        };
        match end {
            End::DownstreamReset => abort(self.way.upstream()),
            End::UpstreamReset => abort(self.way.downstream()),
            End::Done => {}
            _ => self.way.say_goodbye(),
        }
        Ended { end, received: self.up.moved, sent: self.down.moved }
    }

    async fn run_to_end(&mut self, idle: Option<Duration>) -> End {
        let Some(idle) = idle else { return poll_fn(|cx| self.poll(cx)).await };
        loop {
            let moved = self.up.moved + self.down.moved;
            // One timer for the whole wait, however much moves in it: it is looked at when it goes off.
            tokio::select! {
                end = poll_fn(|cx| self.poll(cx)) => return end,
                () = sleep_until(Instant::now() + idle) => {}
            }
            if self.up.moved + self.down.moved == moved {
                return End::Idle;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(Err(fault)) = self.poll_up(cx) {
            // Who has sent its end, and takes no more, is done: like Envoy, no reset is seen in it.
            if self.down.done && matches!(fault, Fault::Write(_)) {
                return Poll::Ready(End::Done);
            }
            return Poll::Ready(fault.end(Side::Downstream, Side::Upstream));
        }
        if let Poll::Ready(Err(fault)) = self.poll_down(cx) {
            return Poll::Ready(fault.end(Side::Upstream, Side::Downstream));
        }
        if self.up.done && self.down.done { Poll::Ready(End::Done) } else { Poll::Pending }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.up.done {
            let step = match &mut self.way {
                Way::Plain { downstream, upstream, up, .. } => ready!(up.poll(cx, downstream, upstream)),
                Way::Tls { downstream, upstream, up, .. } => ready!(up.poll(cx, downstream, upstream)),
            };
            self.up.note(step?, &self.stats.received, self.stats);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.down.done {
            let step = match &mut self.way {
                Way::Plain { downstream, upstream, down, .. } => ready!(down.poll(cx, upstream, downstream)),
                Way::Tls { downstream, upstream, down, .. } => ready!(down.poll(cx, upstream, downstream)),
            };
            self.down.note(step?, &self.stats.sent, self.stats);
        }
        Poll::Ready(Ok(()))
    }
}

impl Way {
    fn downstream(&self) -> &TcpStream {
        match self {
            Self::Plain { downstream, .. } => downstream,
            Self::Tls { downstream, .. } => downstream.socket(),
        }
    }

    fn upstream(&self) -> &TcpStream {
        match self {
            Self::Plain { upstream, .. } => upstream,
            Self::Tls { upstream, .. } => upstream.socket(),
        }
    }

    /// Ends TLS in an orderly way where the relay was cut short, as far as that goes without waiting.
    fn say_goodbye(&mut self) {
        if let Self::Tls { downstream, upstream, .. } = self {
            let _ = downstream.shutdown().now_or_never();
            let _ = upstream.shutdown().now_or_never();
        }
    }
}

impl Progress {
    fn note(&mut self, step: Step, side: &Counter, stats: &RelayStats) {
        match step {
            Step::Moved { count, by } => {
                let count = count as u64;
                self.moved += count;
                side.add(count);
                match by {
                    By::Copy => stats.copied.add(count),
                    By::Splice => stats.spliced.add(count),
                }
            }
            Step::Done { truncated } => {
                self.done = true;
                if truncated {
                    stats.truncated.inc();
                }
            }
        }
    }
}

impl Fault {
    /// What it means for the relay, when reading was from that side and writing to this.
    fn end(self, reader: Side, writer: Side) -> End {
        let (error, side) = match self {
            Self::Read(error) => (error, reader),
            Self::Write(error) => (error, writer),
        };
        match (tls::broke(&error).then(|| tls::reason(&error)), side) {
            (None, Side::Downstream) => End::DownstreamReset,
            (None, Side::Upstream) => End::UpstreamReset,
            (Some(reason), Side::Downstream) => End::DownstreamTls(reason),
            (Some(reason), Side::Upstream) => End::UpstreamTls(reason),
        }
    }
}

/// Makes closing a connection reset it, as its counterpart was reset.
fn abort(socket: &TcpStream) {
    // Fails only on a socket that is gone already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
