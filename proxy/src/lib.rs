//! The data plane: a sidecar proxy that is configured by Envoy v3 files.

pub mod access_log;
pub mod address;
pub mod admin;
pub mod authorization;
pub mod bench;
mod buffer;
pub mod cluster;
pub mod config;
pub mod drain;
pub mod fuzz;
pub mod http;
mod istio_metrics;
pub mod listener;
pub mod logging;
mod memory;
mod peek;
pub mod relay;
pub mod runtime;
pub mod stats;
pub mod stream;
pub mod stream_info;
mod sys;
pub mod tcp_proxy;
pub mod tls;
mod traces;
pub mod worker;
mod workload;
