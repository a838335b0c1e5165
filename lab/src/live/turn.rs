//! The right to change a lab: one process has it at a time, and the others wait.

use std::fs::{File, TryLockError};

use anyhow::{Context, Result};
use netns::Lab;

use crate::terminal::noteln;

/// The right to change a lab. It ends when this is dropped, or the process ends.
pub(crate) struct Turn(#[expect(dead_code, reason = "held for its lock")] File);

impl Turn {
    /// Waits until no other process changes the lab.
    ///
    /// # Errors
    /// If the lab is gone.
    pub(crate) fn take(lab: &Lab) -> Result<Self> {
        let path = lab.dir().join("changes");
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.with_context(|| format!("can't open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                noteln!("another process is changing lab {}: waiting until it is done", lab.id());
                file.lock().with_context(|| format!("can't lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", path.display()));
            }
        }
        Ok(Self(file))
    }
}
