//! A server with several ports.

mod admission;
mod body;
mod connection;
mod context;
mod detect;
mod drained;
mod forward;
mod grpc;
mod http;
mod httpbin;
mod listener;
mod respond;
mod shared;
mod stream;
#[cfg(test)]
mod tests;
mod websocket;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use demo_args::{BindAddress, Protocol, ServerArgs, WebhookArgs};
pub use listener::StartError;
pub use shared::Log;

use crate::report::Event;
use listener::Listener;
use shared::Shared;

/// A server whose ports are bound.
pub struct Server {
    name: Arc<str>,
    listeners: Vec<Listener>,
    quiet: bool,
    grace: Duration,
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
