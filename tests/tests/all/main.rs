//! Every test that crosses crates, in one program: each of them alone would link all of the project again.

mod bad_input;
mod bench;
mod bench_kept;
mod by_hand;
mod ci;
mod claims;
mod control_plane;
mod envoy_files;
mod full_disk;
mod installing;
mod istiod;
mod killed;
mod look_inside;
mod modules;
mod nothing_lost;
mod readme;
mod redirects;
mod rootless;
mod scenarios;
mod tshark;
