//! The data plane: a sidecar proxy that reads Envoy v3 files.

pub mod access_log;
pub mod address;
pub mod cluster;
pub mod drain;
pub mod matcher;
pub mod outcome;
pub mod stats;
pub mod stream;
pub mod stream_info;
pub mod tls;
pub mod worker;
