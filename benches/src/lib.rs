//! What is measured: the work that the benches time, and whose instructions `tests/instructions.rs` counts.
//!
//! docs/BENCHMARKING.md says what each is held against.

pub mod chains;
pub mod clock;
pub mod figures;
pub mod handshake;
pub mod hellos;
pub mod relay;
pub mod services;
pub mod sockets;

use std::time::Duration;

use criterion::Criterion;

/// How long a bench takes: a second or two, so that all of them take a few minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
}
