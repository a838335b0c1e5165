//! What a run is asked for.

use std::time::Duration;

/// How long it runs, and on what.
#[derive(Clone, Debug)]
pub struct Options {
    pub length: Duration,
    pub seed: u64,
    /// `native` or `envoy`.
    pub data_plane: String,
    /// The size of the largest requests, in bytes.
    pub largest: usize,
    /// Gets a line for each disturbance.
    pub progress: fn(&str),
}
