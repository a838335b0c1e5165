//! Labs on this very kernel. They need root; without it each test says so and is skipped, which is a failure where `CI=true`.

mod capture;
mod common;
mod conntrack;
mod delay;
mod lifecycle;
mod network;
mod programs;
