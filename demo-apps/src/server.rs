//! A server with several ports.

mod admission;
mod body;
mod connection;
mod drained;
mod grpc;
mod http;
mod listener;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use demo_args::{BindAddress, Protocol, ServerArgs, WebhookArgs};

use crate::UsageError;
use crate::report::Event;
use listener::Listener;

/// An error starting a server.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict each other, or name files that cannot be used.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A port cannot be bound.
    #[error("cannot listen on {address} ({protocol:?}): {source}")]
    Bind {
        /// Protocol of the port.
        protocol: Protocol,
        /// The address.
        address: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// The sink of a server's log.
pub type Log = Arc<dyn Fn(&Event) + Send + Sync>;

/// A server whose ports are bound.
pub struct Server {
    name: Arc<str>,
    listeners: Vec<Listener>,
    quiet: bool,
    grace: Duration,
}

/// What all connections share.
struct Shared {
    name: Arc<str>,
    /// `None` if connections and requests are not logged.
    log: Option<Log>,
    stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Logs an event, which is created only if there is a log.
    fn log(&self, event: impl FnOnce() -> Event) {
        if let Some(log) = &self.log {
            log(&event());
        }
    }

    /// Completes when the server is to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.clone();
        // An error means that the server itself is gone.
        async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

impl Server {
    /// Binds every port of `args`. Connections are queued from then on, and served by [`Server::run`].
    ///
    /// # Errors
    ///
    /// If `args` contradict each other, a file cannot be read, or a port cannot be bound.
    pub fn bind(args: &ServerArgs) -> Result<Self, StartError> {
        let listeners = listener::bind_all(args)?;
        let name = app_name(args.name.as_deref(), "demo-server");
        Ok(Self { name: name.into(), listeners, quiet: args.quiet, grace: args.grace })
    }

    /// Binds every port of an admission webhook, like [`Server::bind`].
    ///
    /// # Errors
    ///
    /// If a file of `args` cannot be read, or a port cannot be bound.
    pub fn bind_webhook(args: &WebhookArgs) -> Result<Self, StartError> {
        let listeners = listener::bind_webhook(args)?;
        let name = app_name(args.name.as_deref(), "demo-webhook");
        Ok(Self { name: name.into(), listeners, quiet: false, grace: args.grace })
    }

    /// The ports in the order of [`Protocol`], then as given. Port 0 is replaced by the actual port.
    pub fn addresses(&self) -> impl Iterator<Item = (Protocol, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.protocol, listener.address))
    }

    /// Serves until `stop` completes; then lets requests in flight finish within the grace period.
    pub async fn run(self, stop: impl Future<Output = ()>, log: Log) {
        let (stopper, stopping) = watch::channel(false);
        let shared = Arc::new(Shared { name: self.name, log: (!self.quiet).then(|| Arc::clone(&log)), stopping });
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let (protocol, address) = (listener.protocol, listener.address);
            log(&Event::Listening { protocol, address });
            accepting.spawn(listener.accept_all(Arc::clone(&shared)));
        }
        stop.await;
        log(&Event::Stopping);
        let _ = stopper.send(true);
        let finish = async { while accepting.join_next().await.is_some() {} };
        // The remaining connections are aborted when the set is dropped.
        let _ = tokio::time::timeout(self.grace, finish).await;
    }
}

/// The name of a server in its answers.
fn app_name(asked: Option<&str>, program: &str) -> String {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = asked.map(str::to_owned).or_else(|| std::env::var("HOSTNAME").ok());
    name.or_else(host).unwrap_or_else(|| program.to_owned())
}
