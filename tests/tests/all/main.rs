//! Every test that crosses crates, in one program: each of them alone would link all of the project again.

mod bad_input;
mod bench;
mod bench_kept;
mod by_hand;
mod claims;
mod envoy_files;
mod killed;
mod readme;
mod rootless;
mod scenarios;
mod tshark;
