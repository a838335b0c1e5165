//! sidelab: runs scenarios in network namespaces, observes each leg on the wire, and checks what was seen.
//!
//! The program's commands are in [`commands`]; the central one is [`run::run`]: it resolves a scenario's manifests,
//! [deploys](deploy) them as a lab, makes the calls, and turns [what was captured](observe_call) into accounts that a
//! [`verdict`] compares with what a person [expects](expect).

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod access_log;
mod admin;
pub mod api_server;
mod app;
mod authorities;
pub mod bench;
mod beneath;
pub mod claims;
pub mod cli;
pub mod commands;
pub mod container;
pub mod control_plane;
pub mod counters;
pub mod data;
pub mod data_plane;
pub mod deploy;
pub mod diagnose;
mod dumps;
pub mod expect;
pub mod facts;
pub mod faults;
#[cfg(test)]
mod fixtures;
mod injection;
pub mod interrupt;
pub mod istiod;
pub mod jsonpath;
mod keeper;
pub mod last_run;
mod live;
pub mod loads;
mod log_keeper;
mod log_times;
pub mod logging;
mod look;
pub mod manifests;
mod name_server;
pub mod observe_call;
pub mod output;
pub mod outside;
mod parallel;
pub mod predict;
mod readiness;
pub mod reference;
pub mod report;
pub mod request;
pub mod role;
pub mod run;
pub mod run_report;
pub mod scenario;
pub mod schema;
pub mod select;
pub mod selector;
pub mod sidecar;
pub mod stand_ins;
pub mod summary;
mod sys;
mod tail;
pub mod terminal;
pub mod tools;
pub mod traces;
mod trust;
pub mod tuning;
mod usage;
pub mod verdict;
