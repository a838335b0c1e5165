//! A server on several ports at once.

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

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options do not fit together, or name files that cannot be used.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A port cannot be bound.
    #[error("cannot listen on {address} ({protocol:?}): {source}")]
    Bind {
        /// What was to be spoken there.
        protocol: Protocol,
        /// Where.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

/// Where the server's log goes.
pub type Log = Arc<dyn Fn(&Event) + Send + Sync>;

/// A server whose ports are bound.
pub struct Server {
    name: Arc<str>,
    listeners: Vec<Listener>,
    quiet: bool,
    grace: Duration,
}

/// What every connection needs.
struct Shared {
    name: Arc<str>,
    /// None where connections and requests are not logged.
    log: Option<Log>,
    stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Logs an event that is made only where there is a log.
    fn log(&self, event: impl FnOnce() -> Event) {
        if let Some(log) = &self.log {
            log(&event());
        }
    }

    /// Is done when the server is told to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.clone();
        // An error means that the server itself is gone.
        async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

impl Server {
    /// Binds every port of `args`. Connections are accepted from then on, and served once [`Server::run`] runs.
    ///
    /// # Errors
    ///
    /// When `args` do not fit together, a file of theirs cannot be read, or a port cannot be bound.
    pub fn bind(args: &ServerArgs) -> Result<Self, StartError> {
        let listeners = listener::bind_all(args)?;
        let name = app_name(args.name.as_deref(), "demo-server");
        Ok(Self { name: name.into(), listeners, quiet: args.quiet, grace: args.grace })
    }

    /// Binds every port of an admission webhook, as [`Server::bind`] does.
    ///
    /// # Errors
    ///
    /// When a file of `args` cannot be read, or a port cannot be bound.
    pub fn bind_webhook(args: &WebhookArgs) -> Result<Self, StartError> {
        let listeners = listener::bind_webhook(args)?;
        let name = app_name(args.name.as_deref(), "demo-webhook");
        Ok(Self { name: name.into(), listeners, quiet: false, grace: args.grace })
    }

    /// What is spoken where, in the order of [`Protocol`], each in the order given. Port 0 has become a real one.
    pub fn addresses(&self) -> impl Iterator<Item = (Protocol, SocketAddr)> {
        self.listeners.iter().map(|listener| (listener.protocol, listener.address))
    }

    /// Serves until `stop` is done; then lets what is under way finish within the grace period.
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
        // What is left after that is cut off when the set is dropped.
        let _ = tokio::time::timeout(self.grace, finish).await;
    }
}

/// What a server calls itself.
fn app_name(asked: Option<&str>, program: &str) -> String {
    let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let name = asked.map(str::to_owned).or_else(|| std::env::var("HOSTNAME").ok());
    name.or_else(host).unwrap_or_else(|| program.to_owned())
}
