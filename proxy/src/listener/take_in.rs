//! Accept loops, which survive errors of single connections, a lack of descriptors, and panics.

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

/// Delay before accepting again after running out of file descriptors, or after the accept loop panicked.
const PAUSE: Duration = Duration::from_millis(50);

/// What an accept loop needs.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The current listener.
    pub listener: Arc<ArcSwap<Listener>>,
    /// Cancelled when the listener is removed.
    pub closing: CancellationToken,
}

/// The state of accepting connections, for all listening sockets.
#[derive(Clone, Debug)]
pub struct TakingIn {
    /// Number of listening sockets that currently can't accept connections.
    stalled: Gauge,
    /// Number of active connections.
    active: Gauge,
    /// Number of connections that could not be accepted.
    failures: Counter,
    /// Number of times that an accept loop was restarted.
    restarts: Counter,
}

impl TakingIn {
    /// Registers the statistics.
    pub fn new(stats: &Stats) -> Self {
        let root = stats.scope(Scope::Root);
        Self {
            stalled: root.gauge("sidelab.accept_stalled"),
            active: root.gauge("sidelab.connections_active"),
            failures: root.counter("sidelab.accept_failures"),
            restarts: root.counter("sidelab.accept_restarts"),
        }
    }

    /// The number of active connections.
    pub(crate) fn active(&self) -> &Gauge {
        &self.active
    }

    /// Number of listening sockets that currently can't accept connections.
    pub fn stalled(&self) -> u64 {
        self.stalled.get()
    }
}

/// Accepts connections on this thread until the listener closes.
pub fn take_in(socket: TcpListener, from: Accept, worker: Arc<Worker>) {
    let taking_in = worker.taking_in.clone();
    let looking_after = async move {
        let name = from.listener.load().name.clone();
        supervise(|| accept_all(&socket, &from, &worker), &name, &taking_in).await;
    };
    drop(tokio::spawn(looking_after));
}

/// Runs the future that `begin` returns, and restarts it if it panics.
async fn supervise<F: Future<Output = ()>>(begin: impl Fn() -> F, listener: &str, taking_in: &TakingIn) {
    while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
        // The panic message has been printed on standard error.
        tracing::error!(listener, "the accept loop panicked, and was restarted");
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

/// Whether an error concerns only the next connection, so that the one after it may be accepted (`accept(2)`).
fn is_of_connection(error: &io::Error) -> bool {
    use nix::libc::{EHOSTUNREACH, ENETDOWN, ENETUNREACH, ENOPROTOOPT, EOPNOTSUPP, EPROTO};
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
        || matches!(
            error.raw_os_error(),
            Some(EPROTO | ENETDOWN | ENOPROTOOPT | EHOSTUNREACH | EOPNOTSUPP | ENETUNREACH)
        )
}
