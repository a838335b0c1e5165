//! Draining in two steps: connections are first asked to close, and later forced to.

use tokio_util::sync::CancellationToken;

/// Signals connections that their listener, filter chain or process is going away.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    asked: CancellationToken,
    forced: CancellationToken,
}

impl Drain {
    /// A signal that drains when this one does, or earlier.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { asked: self.asked.child_token(), forced: self.forced.child_token() }
    }

    /// Asks connections to close: HTTP sends `connection: close`, TCP continues.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// Forces the remaining connections to close.
    pub fn force(&self) {
        self.asked.cancel();
        self.forced.cancel();
    }

    /// Whether connections have been asked to close.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Completes when connections are asked to close.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Completes when connections must close at once.
    pub fn forced(&self) -> impl Future<Output = ()> {
        self.forced.cancelled()
    }
}
