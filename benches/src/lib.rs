//! Criterion benches and the end-to-end cost benches.
