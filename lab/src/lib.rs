//! sidelab: runs scenarios in namespaces, observes each leg on the wire and judges what was seen.
//!
//! The program's commands are in [`commands`]; the main job is [`run::run`]: it resolves a scenario's manifests,
//! [deploys](deploy) them as a lab, makes the calls, and turns [what was captured](observe_call) into accounts that a
//! [`verdict`] compares with what a person [expects](expect).

pub mod access_log;
mod authorities;
pub mod bench;
pub mod claims;
pub mod cli;
pub mod commands;
pub mod container;
pub mod deploy;
pub mod expect;
#[cfg(test)]
mod fixtures;
pub mod last_run;
pub mod manifests;
mod name_server;
pub mod observe_call;
pub mod predict;
pub mod report;
pub mod role;
pub mod run;
pub mod scenario;
pub mod sidecar;
pub mod summary;
pub mod tools;
pub mod tuning;
mod usage;
pub mod verdict;
