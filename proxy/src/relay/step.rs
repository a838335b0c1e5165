//! One step of relaying in one direction.

use std::io;

/// The result of moving bytes in one direction.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Moved {
        count: usize,
        /// How they were moved.
        by: By,
    },
    /// The reader is at its end, and the writer has been closed.
    Done {
        /// Whether TLS ended without a `close_notify`.
        truncated: bool,
    },
}

/// How bytes are moved.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// Copied through a buffer of this process.
    Copy,
    /// With `splice(2)`.
    Splice,
}

/// An error while reading or writing.
pub(super) enum Fault {
    Read(io::Error),
    Write(io::Error),
}
