//! All tests across crates, in one program, so that the project is linked only once.

mod bad_input;
mod bench;
mod bench_kept;
mod by_hand;
mod change;
mod ci;
mod claims;
mod control_plane;
mod dumps;
mod envoy_files;
mod fault;
mod full_disk;
mod import;
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
mod tasks;
mod tshark;
