//! Memory that a storm of connections took, and nobody needs after it.

use std::time::Duration;

use tokio::time::sleep;

use crate::{stats::Gauge, sys};

#[cfg(test)]
mod tests;

/// How often it is looked whether a storm is over.
const LOOK: Duration = Duration::from_secs(2);
/// Fewer connections than this make no storm.
const STORM: u64 = 128;

/// Gives memory back to the system after each storm, for ever. `active` are the connections that are served.
pub(crate) async fn give_back(active: Gauge) {
    let mut tide = Tide::default();
    loop {
        sleep(LOOK).await;
        if tide.has_fallen(active.get()) {
            sys::release_free_memory();
        }
    }
}

/// The most connections since memory was last given back.
#[derive(Debug, Default)]
struct Tide(u64);

impl Tide {
    /// Whether more than half of them, and more than a few, are gone.
    fn has_fallen(&mut self, active: u64) -> bool {
        self.0 = self.0.max(active);
        let has_fallen = self.0 - active >= STORM.max(self.0 / 2);
        if has_fallen {
            self.0 = active;
        }
        has_fallen
    }
}
