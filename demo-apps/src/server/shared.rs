//! What all connections of a server share.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::report::Event;

/// The sink of a server's log.
pub type Log = Arc<dyn Fn(&Event) + Send + Sync>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    /// `None` if connections and requests are not logged.
    pub(super) log: Option<Log>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Logs an event, which is created only if there is a log.
    pub(super) fn log(&self, event: impl FnOnce() -> Event) {
        if let Some(log) = &self.log {
            log(&event());
        }
    }

    /// Completes when the server is to stop.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.stopping.clone();
        // An error means that the server itself is gone.
        async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}
