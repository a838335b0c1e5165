//! Labs on this host's kernel. Needs root: otherwise each test says that it is skipped, which is a failure if `CI=true`.

mod capture;
mod common;
mod confinement;
mod conntrack;
mod delay;
mod lifecycle;
mod network;
mod programs;
