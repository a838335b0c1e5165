//! Going away in two steps: connections are asked to end, and later made to.

use tokio_util::sync::CancellationToken;

/// Tells connections that their listener, filter chain or process is going away.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    asked: CancellationToken,
    forced: CancellationToken,
}

impl Drain {
    /// One that drains when this does, or before it.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { asked: self.asked.child_token(), forced: self.forced.child_token() }
    }

    /// Asks connections to end: HTTP says `connection: close`, TCP goes on.
    pub fn ask(&self) {
        self.asked.cancel();
    }

    /// Makes what is left end.
    pub fn force(&self) {
        self.asked.cancel();
        self.forced.cancel();
    }

    /// Whether connections are asked to end.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Resolves when connections are asked to end.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Resolves when connections have to end at once.
    pub fn forced(&self) -> impl Future<Output = ()> {
        self.forced.cancelled()
    }
}
