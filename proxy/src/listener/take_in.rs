//! `accept(2)`: taking connections in, whatever happens to one of them or to the process' descriptors.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{Listener, accept};
use crate::{
    address::{DownstreamRemote, unmapped},
    logging::Seldom,
    stats::{Counter, Gauge, Scope, Stats},
    worker::Worker,
};

#[cfg(test)]
mod tests;

/// After which pause to accept again where the process has no file descriptor left, or lost the loop that accepts.
const PAUSE: Duration = Duration::from_millis(50);

/// What an accept loop works from.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The listener as it is now.
    pub listener: Arc<ArcSwap<Listener>>,
    /// Goes off when the listener is removed.
    pub closing: CancellationToken,
}

/// How taking connections in goes, on all listening sockets.
#[derive(Clone, Debug)]
pub struct TakingIn {
    /// Listening sockets that can take no connection in at the moment.
    stalled: Gauge,
    /// Connections that are served.
    active: Gauge,
    /// Connections that could not be taken in.
    failures: Counter,
    /// How often an accept loop was begun again.
    restarts: Counter,
}

impl TakingIn {
    /// Counts into these.
    pub fn new(stats: &Stats) -> Self {
        let root = stats.scope(Scope::Root);
        Self {
            stalled: root.gauge("sidelab.accept_stalled"),
            active: root.gauge("sidelab.connections_active"),
            failures: root.counter("sidelab.accept_failures"),
            restarts: root.counter("sidelab.accept_restarts"),
        }
    }

    /// The connections that are served.
    pub(crate) fn active(&self) -> &Gauge {
        &self.active
    }

    /// How many listening sockets can take no connection in.
    pub fn stalled(&self) -> u64 {
        self.stalled.get()
    }
}

/// Takes connections in on this thread until the listener closes.
pub fn take_in(socket: TcpListener, from: Accept, worker: Arc<Worker>) {
    let taking_in = worker.taking_in.clone();
    let looking_after = async move {
        let name = from.listener.load().name.clone();
        supervise(|| accept_all(&socket, &from, &worker), &name, &taking_in).await;
    };
    drop(tokio::spawn(looking_after));
}

/// Runs what `begin` begins to its end, and again where it panics.
async fn supervise<F: Future<Output = ()>>(begin: impl Fn() -> F, listener: &str, taking_in: &TakingIn) {
    while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
        // Its message is on standard error already.
        tracing::error!(listener, "accepting connections failed, and begins again");
        taking_in.restarts.inc();
        let _stalled = taking_in.stalled.hold();
        sleep(PAUSE).await;
    }
}

async fn accept_all(socket: &TcpListener, from: &Accept, worker: &Arc<Worker>) {
    static NOT_ACCEPTED: Seldom = Seldom::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = from.closing.cancelled() => return,
        };
        match accepted {
            Ok((connection, remote)) => serve(connection, remote, from, worker),
            Err(error) => {
                worker.taking_in.failures.inc();
                if let Some(left_out) = NOT_ACCEPTED.due() {
                    tracing::warn!(%error, left_out, "a connection could not be accepted");
                }
                if !is_of_connection(&error) {
                    let _stalled = worker.taking_in.stalled.hold();
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

fn serve(connection: TcpStream, remote: SocketAddr, from: &Accept, worker: &Arc<Worker>) {
    let active = worker.taking_in.active.hold();
    let remote = DownstreamRemote(unmapped(remote));
    let serving = accept::serve(connection, remote, from.listener.load_full(), worker.clone());
    worker.connections.spawn(async move {
        serving.await;
        drop(active);
    });
}

/// Whether an error is that of the connection that was next, and the one behind it may be taken in (`accept(2)`).
fn is_of_connection(error: &io::Error) -> bool {
    use nix::libc::{EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP, EPROTO};
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
        || matches!(
            error.raw_os_error(),
            Some(EPROTO | ENETDOWN | ENOPROTOOPT | EHOSTUNREACH | EOPNOTSUPP | ENETUNREACH)
        )
}
