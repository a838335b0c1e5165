//! Returning memory to the system after a burst of connections.

use std::time::Duration;

use tokio::time::sleep;

use crate::{stats::Gauge, sys};

#[cfg(test)]
mod tests;

/// Interval of checking whether a burst is over.
const LOOK: Duration = Duration::from_secs(2);
/// Minimum number of connections in a burst.
const STORM: u64 = 128;

/// Returns memory to the system after each burst, forever. `active` is the number of active connections.
pub(crate) async fn release_after_bursts(active: Gauge) {
    let mut tide = Tide::default();
    loop {
        sleep(LOOK).await;
        if tide.has_fallen(active.get()) {
            sys::release_free_memory();
        }
    }
}

/// The maximum number of connections since memory was last returned.
#[derive(Debug, Default)]
struct Tide(u64);

impl Tide {
    /// Whether a burst is over: more than half of its connections have ended.
    fn has_fallen(&mut self, active: u64) -> bool {
        self.0 = self.0.max(active);
        let has_fallen = self.0 - active >= STORM.max(self.0 / 2);
        if has_fallen {
            self.0 = active;
        }
        has_fallen
    }
}
