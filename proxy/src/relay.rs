//! Relaying bytes between two connections in both directions.
//!
//! A direction without data holds no memory: it waits for its socket, then takes a buffer (or a pipe) from the thread's
//! pool, and returns it when it is empty. Half-close is preserved: the end of one direction is forwarded, and the other
//! continues. A reset on one side resets the other.

mod copy;
mod plain;
mod splice;
mod step;

use std::{
    borrow::Cow,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::{FutureExt as _, future::OptionFuture};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
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
use step::{By, Fault, Step};

#[cfg(test)]
mod tests;

#[derive(Clone, Debug)]
pub struct RelayStats {
    received: Counter,
    sent: Counter,
    /// Bytes moved by `splice(2)`, which never entered this process.
    spliced: Counter,
    /// Bytes copied through a buffer of this process.
    copied: Counter,
    /// Directions that ended without a `close_notify`, and so may have been truncated by an attacker.
    truncated: Counter,
}

impl RelayStats {
    /// Statistics of a TCP proxy, and the global ones.
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

/// Two connections, and the state of relaying between them.
pub(crate) struct Relay<'a> {
    way: Way,
    stats: &'a RelayStats,
    /// Whether the first bytes from downstream end it.
    refuses: bool,
    /// How long it may last.
    longest: Option<Duration>,
    up: Progress,
    down: Progress,
}

/// How bytes are moved.
enum Way {
    /// Both connections are plaintext.
    Plain { downstream: TcpStream, upstream: TcpStream, up: Plain, down: Plain },
    /// At least one connection is TLS.
    Tls { downstream: Downstream, upstream: Upstream, up: Copy, down: Copy },
}

/// The progress of one direction.
#[derive(Default)]
struct Progress {
    moved: u64,
    done: bool,
}

/// The result of a relay.
pub(crate) struct Ended {
    pub(crate) end: End,
    /// Number of bytes from downstream.
    pub(crate) received: u64,
    /// Number of bytes to downstream.
    pub(crate) sent: u64,
}

/// Why a relay ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides have closed.
    Done,
    /// The downstream connection was reset.
    DownstreamReset,
    /// The upstream connection was reset.
    UpstreamReset,
    /// Downstream TLS failed, with BoringSSL's error.
    DownstreamTls(Cow<'static, str>),
    /// Upstream TLS failed, with BoringSSL's error.
    UpstreamTls(Cow<'static, str>),
    /// The idle timeout expired.
    Idle,
    /// It lasted as long as it may.
    TooLong,
    /// Something came from downstream, which may say nothing.
    Unwanted,
    /// It was forced to end.
    Forced,
}

/// The side on which an error occurred.
#[derive(Clone, Copy)]
enum Side {
    Downstream,
    Upstream,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(downstream: Downstream, upstream: Upstream, stats: &'a RelayStats) -> Box<Self> {
        let way = match (downstream, upstream) {
            (Downstream::Plain(downstream), Upstream::Plain(upstream)) => {
                Way::Plain { downstream, upstream, up: Plain::default(), down: Plain::default() }
            }
            (downstream, upstream) => Way::Tls { downstream, upstream, up: Copy::default(), down: Copy::default() },
        };
        Box::new(Self { way, stats, refuses: false, longest: None, up: Progress::default(), down: Progress::default() })
    }

    /// Relays only what comes from upstream, until something comes from downstream, be it its end.
    pub(crate) fn refusing(self: Box<Self>) -> Box<Self> {
        let mut refusing = self;
        refusing.refuses = true;
        refusing
    }

    /// Limits how long it lasts.
    pub(crate) fn lasting(self: Box<Self>, longest: Option<Duration>) -> Box<Self> {
        let mut limited = self;
        limited.longest = longest;
        limited
    }

    /// Relays until both directions have ended, a side fails, nothing has been moved for `idle`, or connections are forced to
    /// end.
    pub(crate) async fn run(mut self: Box<Self>, idle: Option<Duration>, drain: &Drain) -> Ended {
        // Boxed, as hardly any session has such a limit.
        let over = self.longest.map(|longest| Box::pin(sleep_until(Instant::now() + longest)));
        let over = OptionFuture::from(over);
        let end = tokio::select! {
            end = self.run_to_end(idle) => end,
            Some(()) = over => End::TooLong,
            () = drain.forced() => End::Forced,
        };
        match end {
            End::DownstreamReset => abort(self.way.upstream()),
            End::UpstreamReset => abort(self.way.downstream()),
            End::Done => {}
            _ => self.way.close_tls(),
        }
        Ended { end, received: self.up.moved, sent: self.down.moved }
    }

    async fn run_to_end(&mut self, idle: Option<Duration>) -> End {
        let Some(idle) = idle else { return poll_fn(|cx| self.poll(cx)).await };
        loop {
            let moved = self.up.moved + self.down.moved;
            // A single timer for the whole wait, regardless of traffic: activity is checked when it fires.
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
        if self.refuses {
            if self.poll_unwanted(cx).is_ready() {
                return Poll::Ready(End::Unwanted);
            }
        } else if let Poll::Ready(Err(fault)) = self.poll_up(cx) {
            // A side that has sent its end and stopped reading is done: like in Envoy, that is not a reset.
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
            self.up.record(step?, &self.stats.received, self.stats);
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when something has come from downstream. That is read, so that closing the connection does not reset it.
    fn poll_unwanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; 16 * 1024];
        let mut came = Poll::Pending;
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            let read = match &mut self.way {
                Way::Plain { downstream, .. } => Pin::new(downstream).poll_read(cx, &mut buffer),
                Way::Tls { downstream, .. } => Pin::new(downstream).poll_read(cx, &mut buffer),
            };
            if read.is_pending() {
                return came;
            }
            came = Poll::Ready(());
            if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().is_empty() {
                return came;
            }
        }
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while !self.down.done {
            let step = match &mut self.way {
                Way::Plain { downstream, upstream, down, .. } => ready!(down.poll(cx, upstream, downstream)),
                Way::Tls { downstream, upstream, down, .. } => ready!(down.poll(cx, upstream, downstream)),
            };
            self.down.record(step?, &self.stats.sent, self.stats);
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

    /// Sends close_notify after the relay was cut short, as far as possible without waiting.
    fn close_tls(&mut self) {
        if let Self::Tls { downstream, upstream, .. } = self {
            let _ = downstream.shutdown().now_or_never();
            let _ = upstream.shutdown().now_or_never();
        }
    }
}

impl Progress {
    fn record(&mut self, step: Step, side: &Counter, stats: &RelayStats) {
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
    /// The end of the relay that results from an error, given the sides of the reader and the writer.
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

/// Makes closing the connection reset it, as the other one was.
fn abort(socket: &TcpStream) {
    // Fails only if the socket is closed already.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
