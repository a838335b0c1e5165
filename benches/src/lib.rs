//! The work that the benches time and whose instructions `tests/instructions.rs` counts.
//!
//! docs/BENCHMARKING.md says what each is compared with.

pub mod chains;
pub mod clock;
pub mod figures;
pub mod handshake;
pub mod hellos;
pub mod relay;
pub mod services;
pub mod sockets;

use std::time::Duration;

use clock::ThreadTime;
use criterion::Criterion;

/// Configuration of all benches: CPU time, and a second or two for each, so that all take a few minutes.
pub fn criterion() -> Criterion<ThreadTime> {
    Criterion::default()
        .with_measurement(ThreadTime)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}
