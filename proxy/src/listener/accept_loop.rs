//! Accept loops, which survive errors of single connections, a lack of descriptors, and panics.

use std::{io, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::FutureExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{AcceptStats, Listener, accept};
use crate::{
    address::{DownstreamRemote, unmapped},
    logging::Seldom,
    worker::Worker,
};

#[cfg(test)]
mod tests;

/// Delay before accepting again after running out of file descriptors, or after the accept loop panicked.
const PAUSE: Duration = Duration::from_millis(50);

/// What an accept loop needs.
#[derive(Clone, Debug)]
pub struct Accept {
    pub listener: Arc<ArcSwap<Listener>>,
    /// Cancelled when the listener is removed.
    pub closing: CancellationToken,
}

/// Spawns a task on this thread that accepts connections until the listener closes.
pub fn spawn_accept_loop(socket: TcpListener, from: Accept, worker: Arc<Worker>) {
    let stats = worker.accept_stats.clone();
    let accepting = async move {
        let name = from.listener.load().name.clone();
        supervise(|| accept_all(&socket, &from, &worker), &name, &stats).await;
    };
    drop(tokio::spawn(accepting));
}

/// Runs the future that `begin` returns, and restarts it if it panics.
async fn supervise<F: Future<Output = ()>>(begin: impl Fn() -> F, listener: &str, stats: &AcceptStats) {
    while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
        // The panic message has been printed on standard error.
        tracing::error!(listener, "the accept loop panicked, and was restarted");
        stats.restarts.inc();
        let _stalled = stats.stalled.hold();
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
                worker.accept_stats.failures.inc();
                if let Some(left_out) = NOT_ACCEPTED.due() {
                    tracing::warn!(%error, left_out, "a connection could not be accepted");
                }
                if !is_of_connection(&error) {
                    let _stalled = worker.accept_stats.stalled.hold();
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

fn serve(connection: TcpStream, remote: SocketAddr, from: &Accept, worker: &Arc<Worker>) {
    let active = worker.accept_stats.active.hold();
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
