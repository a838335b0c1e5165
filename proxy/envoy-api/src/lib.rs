//! The subset of the Envoy v3 API that sidelab supports: the contract between its control plane, which writes these
//! messages as JSON, and the data planes (`sidecar-proxy` and the real Envoy), which read them.
//!
//! This crate contains only data and its JSON form, and no decisions. Types are named like their protobuf messages, and fields
//! like the protobuf fields in snake_case, as in Envoy's own JSON. A field outside of the subset is an error with its path
//! ([`read`]) rather than ignored, so that the native proxy never pretends to support something.
//!
//! The files of one sidecar correspond to what Istio pushes: a [`Bootstrap`] refers to two [`DiscoveryResponse`] files
//! ([`Listener`]s and [`Cluster`]s), which refer to one file for each [`RouteConfiguration`], [`ClusterLoadAssignment`] and
//! [`Secret`].

pub mod accepted;
mod access_log;
mod bootstrap;
mod cluster;
mod cluster_policy;
mod core;
mod header_value;
mod http;
mod listener;
mod peer_metadata;
mod percent;
mod rbac;
mod read;
mod route;
mod route_action;
mod route_filters;
mod route_retry;
mod tls;
mod tracing;
mod typed;
mod wide;

pub use access_log::*;
pub use bootstrap::*;
pub use cluster::*;
pub use cluster_policy::*;
pub use core::*;
pub use header_value::*;
pub use http::*;
pub use listener::*;
pub use peer_metadata::*;
pub use percent::*;
pub use rbac::*;
pub use read::{ReadError, read, read_value};
pub use route::*;
pub use route_action::*;
pub use route_filters::*;
pub use route_retry::*;
pub use tls::*;
pub use tracing::*;
pub use typed::TypeUrl;
